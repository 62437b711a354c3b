"""Numbers and sentences as a person reads them, and lines that fit."""

import re
import textwrap
from typing import Final

from rich.cells import cell_len
from rich.text import Text

UNKNOWN: Final = "-"
_NUMBER_AT_END: Final = re.compile(r"(?<=\s)[-+]?\d\S*$")


def number(value: float | None) -> str:
    """Return a number with as many digits as tell something."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if value < 100 and value != int(value) else f"{value:.0f}"


def seconds(value: float | None) -> str:
    """Return a duration as a person says it."""
    if value is None:
        return UNKNOWN
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def lasting(value: float) -> str:
    """Return a time span in its largest sensible unit."""
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def share(value: float | None) -> str:
    """Return a share of 1 in percent."""
    return UNKNOWN if value is None else f"{value * 100:.0f} %"


def rate(value: float | None, unit: str) -> str:
    """Return a rate, such as ``12/min``."""
    return UNKNOWN if value is None else f"{number(value)}{unit}"


def of_limit(value: float | None, limit: float | None) -> str:
    """Return ``3 of 50``; without a limit the number alone."""
    return number(value) if limit is None else f"{number(value)} of {number(limit)}"


def with_unit(value: float | None, unit: str) -> str:
    """Return a whole number with its unit."""
    return UNKNOWN if value is None else f"{value:.0f} {unit}"


def wrapped(text: str, *, width: int, style: str) -> list[Text]:
    """Return a sentence in lines of that width."""
    return [Text(line, style=style) for line in textwrap.wrap(text, width)]


def cut(line: Text, width: int) -> Text:
    """Shorten a line in place, a number at its end as a whole; return it."""
    if line.cell_len > width:
        kept = line.plain[: max(width - 1, 0)]
        number_cut = _NUMBER_AT_END.search(kept)
        if not line.plain[width:].strip():
            line.truncate(width)
        elif number_cut and line.plain[len(kept)] not in " \u2026":
            # Half a number reads as another one.
            line.truncate(cell_len(kept[: number_cut.start()].rstrip()))
            line.append("…"[:width])
        else:
            line.truncate(width, overflow="ellipsis")
    return line
