"""Numbers as any server may send them, made fit for sums."""

from typing import Any, Final

# More than any count, bytes or seconds here: beyond it sums and formats go wrong.
_GREATEST: Final = 1e21


def is_measure(value: Any) -> bool:
    """Is it a number that something here can have?"""
    return isinstance(value, int | float) and abs(value) < _GREATEST  # NaN is not less.
