"""Whether the camera still sees the same: a cheap difference of tiny grey thumbnails.

A thumbnail is made of a raw frame and so has passed no privacy filter: it never leaves the process
and is never stored.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.frames.types import RawFrame

COLUMNS: Final = 32
ROWS: Final = 24

_SAMPLES: Final = 4
"""Pixels looked at along each side of a cell: their mean tames the camera's noise."""

_EXPOSURE: Final = 6.0
"""Levels by which the whole picture may brighten or darken unnoticed: cameras keep adjusting."""

_LOCAL_WEIGHT: Final = 1 / 3
"""What counts of the place that changed most, three by three cells, against the whole picture."""

_GREY_FIRST: Final = frozenset({"yuv420p", "yuvj420p", "nv12"})

Thumbnail = NDArray[np.float32]
"""Mean luma, 0 to 255, of shape (ROWS, COLUMNS)."""


def thumbnail(raw: RawFrame) -> Thumbnail | None:
    """Return the thumbnail of `raw`, read from its luma plane; 0.1 ms whatever the size.

    None for a pixel format that has no luma plane of bytes: nothing is known of its changes then.
    """
    if raw.image.format.name not in _GREY_FIRST:
        return None
    plane = raw.image.planes[0]
    luma = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    seen = luma[np.ix_(_spread(raw.height, ROWS), _spread(raw.width, COLUMNS))]
    cells = seen.reshape(ROWS, _SAMPLES, COLUMNS, _SAMPLES)
    means: Thumbnail = cells.mean(axis=(1, 3), dtype=np.float32)
    return means


def _spread(edge: int, cells: int) -> NDArray[np.intp]:
    """Return positions in the middle of equal parts of `edge` pixels."""
    count = cells * _SAMPLES
    return ((np.arange(count) + 0.5) * edge / count).astype(np.intp)


def difference(before: Thumbnail, now: Thumbnail) -> float:
    """Return by how much two thumbnails differ, in levels of grey (0 to 255).

    The mean over the picture, or a third of the mean over the nine cells that changed most where
    that is more: so a small thing that moved counts, and noise does not.
    """
    change = now - before
    exposure = np.clip(np.median(change), -_EXPOSURE, _EXPOSURE)
    change = np.abs(change - exposure)
    rows = change[:-2] + change[1:-1] + change[2:]
    places = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return float(max(change.mean(), _LOCAL_WEIGHT * places.max()))
