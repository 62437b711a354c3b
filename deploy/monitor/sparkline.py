"""A series of numbers as a row of small bars."""

from collections.abc import Sequence
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], *, width: int, top: float | None = None) -> str:
    """Return the latest values as bars, flush right; a gap is a space.

    Args:
        values: the latest last.
        width: characters.
        top: what a full bar means; the greatest of those shown if not given.
    """
    shown = list(values)[-width:] if width > 0 else []
    highest = top or max((value for value in shown if value is not None), default=0.0)
    return "".join(_bar(value, highest) for value in shown).rjust(max(width, 0))


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return " "
    if top <= 0:
        return _BARS[0]
    return _BARS[min(int(max(value, 0.0) / top * len(_BARS)), len(_BARS) - 1)]
