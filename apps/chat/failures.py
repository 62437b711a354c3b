"""How an unforeseen failure is logged."""

import traceback
from pathlib import PurePath


def kind_and_place(error: BaseException) -> str:
    """Return an exception's class and where it was raised.

    Never its text, which may quote what a client sent or what the model said.
    """
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return kind
    return f"{kind} at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}"
