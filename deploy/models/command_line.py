"""What the commands have in common: values that must be given, and an output that may be lost."""

import argparse
import codecs
import io
import os
import sys
from collections.abc import Callable
from typing import Final

from deploy.models.printable import sentence

# In a terminal of ASCII or Latin-1; what isn't here becomes a question mark.
_PLAIN: Final = {"→": "->", "…": "...", "·": "|", "°": ""} | dict(
    zip("▁▂▃▄▅▆▇█", "._-=+*%#", strict=True)
)
_PLAIN_ERRORS: Final = "qwencam.plain"
_BROKEN_PIPE_STATUS: Final = 141  # what a shell shows of a program that SIGPIPE has ended


class OutputLost(Exception):
    """Standard output can't be written; why. No OSError: those are about the files of the task."""

    def __init__(self, cause: OSError | UnicodeEncodeError) -> None:
        if isinstance(cause, UnicodeEncodeError):
            sign = cause.object[cause.start]
            super().__init__(f"its encoding, {cause.encoding}, has no {sign!a}")
        else:
            super().__init__(cause.strerror or str(cause))
        self.pipe_ended = isinstance(cause, BrokenPipeError)


class _Output(io.TextIOWrapper):
    """Standard output that says of itself that it was lost."""

    def write(self, text: str, /) -> int:
        """Write a text, or raise ``OutputLost``."""
        try:
            return super().write(text)
        except (OSError, UnicodeEncodeError) as error:
            raise OutputLost(error) from error

    def flush(self) -> None:
        """Write what is kept, or raise ``OutputLost``."""
        try:
            super().flush()
        except OSError as error:
            raise OutputLost(error) from error


def given(text: str) -> str:
    """Return an option's value; for ``type=`` of argparse, which takes an empty one for none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it needs a value.")
    return text


def run_command(command: Callable[[], int], *, lost: int = 1, exact: bool = False) -> int:
    """Run a command; return its exit status once all that it printed is written.

    Args:
        lost: status for a standard output that can't be written, which is said in a sentence. The
            reader of a pipe that went away asked for no more: that is said by the status alone.
        exact: the output is for a program: no sign is written in place of another.
    """
    if sys.stdout is None:
        return _say_lost("it is closed", status=lost)
    _open_output(exact=exact)
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except OutputLost as error:
        _discard_output()
        if error.pipe_ended:
            return _BROKEN_PIPE_STATUS
        return _say_lost(str(error), status=lost)


def _say_lost(reason: str, *, status: int) -> int:
    said = f"Standard output can't be written: {reason}."
    sys.stderr.write(f"{sentence(said)}\n")
    return status


def _open_output(*, exact: bool) -> None:
    """Put our own standard output over the same file, with signs that its encoding has."""
    codecs.register_error(_PLAIN_ERRORS, _plain)
    if isinstance(sys.stdout, io.TextIOWrapper):
        unicode = codecs.lookup(sys.stdout.encoding).name.startswith("utf")
        sys.stdout = _Output(
            sys.stdout.buffer,
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors if unicode or exact else _PLAIN_ERRORS,
            line_buffering=sys.stdout.line_buffering,
        )


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


def _discard_output() -> None:
    """Let Python end without a second complaint about what it could not write."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
