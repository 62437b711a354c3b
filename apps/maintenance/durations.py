"""Spans of time as maintainers write and read them."""

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_LONGEST: Final = timedelta(days=36_500)  # A moment so long ago is still a date.


class InvalidDuration(ValueError):
    """The text is no duration; the sentence shows what one looks like."""


def parse_duration(text: str) -> timedelta:
    """Return what `30d`, `12h`, `90m` or `45s` means; more than zero, a century at most.

    Raises:
        InvalidDuration: it is none of these. A number without a unit is refused: to read "30"
            as seconds where days were meant would delete a month too much.
    """
    found = re.fullmatch(r"([0-9]{1,9})([dhms])", text.strip())
    if found is None:
        raise InvalidDuration(
            f"{text!r} is no duration: write a whole number and d, h, m or s, such as 30d or 90m."
        )
    try:
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        span = timedelta.max
    if not timedelta(0) < span <= _LONGEST:
        raise InvalidDuration(f"{text!r} is no duration from one second to 36500 days.")
    return span


def parse_idle_seconds(text: str) -> timedelta:
    """Return `parse_duration` of `text`, or of as many seconds where it is a bare number."""
    bare = text.strip()
    return parse_duration(f"{bare}s" if bare.isascii() and bare.isdigit() else text)


def format_duration(span: timedelta) -> str:
    """Return `span` in its largest unit, rounded down: `3 d`, `5 h`, `12 min`, `7 s`."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
