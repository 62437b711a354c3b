"""The time, painted into a picture so that it survives video coding, resizing and JPEG.

A grid of 8 by 4 black and white cells in the upper left 3/7 of the picture: 24 bits of
milliseconds since the epoch (they come round after 4.6 hours), then 8 bits to check them by.
"""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

COLUMNS: Final = 8
ROWS: Final = 4
SHARE: Final = 3 / 7
"""Part of the picture's width and height that the grid takes."""

RANGE_MS: Final = 1 << 24
_BLACK: Final = 16
_WHITE: Final = 235

Plane = NDArray[np.uint8]


class Unreadable(Exception):
    """The picture has no timecode, or a damaged one."""


def now_ms() -> int:
    """Return the time as timecodes tell it."""
    return int(time.time() * 1000) % RANGE_MS


def age_ms(code: int, *, at: float) -> int:
    """Return how old a timecode is at `at` (seconds since the epoch); negative when it is ahead."""
    age = (int(at * 1000) - code) % RANGE_MS
    return age - RANGE_MS if age > RANGE_MS // 2 else age


def paint(luma: Plane, code: int) -> None:
    """Paint a timecode into a picture's luma plane, uint8 of shape (height, width)."""
    bits = (code << 8) | _check(code)
    for index, cell in enumerate(_cells(luma)):
        cell[:] = _WHITE if bits >> (COLUMNS * ROWS - 1 - index) & 1 else _BLACK


def read(luma: Plane) -> int:
    """Return the timecode in a luma plane of any size, or raise `Unreadable`."""
    bits = 0
    for cell in _cells(luma):
        height, width = cell.shape
        # Coding blurs edges: the middle of a cell is what it was painted.
        middle = cell[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None]
        bits = bits << 1 | int(middle.mean() > (_BLACK + _WHITE) / 2)
    code, check = bits >> 8, bits & 0xFF
    if _check(code) != check:
        raise Unreadable("The picture holds no whole timecode.")
    return code


def _check(code: int) -> int:
    """Return eight bits that a damaged code rarely has; black and white pictures never do."""
    return (0xA5 ^ code ^ code >> 8 ^ code >> 16) & 0xFF


def _cells(luma: Plane) -> list[Plane]:
    height, width = luma.shape
    ys = [round(height * SHARE * row / ROWS) for row in range(ROWS + 1)]
    xs = [round(width * SHARE * column / COLUMNS) for column in range(COLUMNS + 1)]
    return [
        luma[ys[row] : ys[row + 1], xs[column] : xs[column + 1]]
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
