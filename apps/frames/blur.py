"""Makes a part of a picture unrecognisable."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.frames.faces import Face

CELLS: Final = 2
"""A face keeps this many colours a side, whatever its size. With four, a detector still takes one
in fifteen for a face; with two, none (`scripts/measure_privacy.py`)."""

MARGIN: Final = 0.3
"""What is blurred around a face, on each side: share of the face's width or height."""


def blur_face(pixels: NDArray[np.uint8], face: Face) -> None:
    """Blur `face` and a margin around it in `pixels`, (height, width, 3), in place.

    The part is averaged over `CELLS` x `CELLS` cells and filled with what lies between the
    averages, so nothing finer than a cell remains. The same picture gives the same blur.
    """
    rows, columns = blurred_part(face, height=pixels.shape[0], width=pixels.shape[1])
    part = pixels[rows, columns].astype(np.float32)
    down = _smoothing(part.shape[0])
    across = _smoothing(part.shape[1])
    smooth = np.einsum("ij,jkc,lk->ilc", down, part, across, optimize=True)
    pixels[rows, columns] = np.clip(np.rint(smooth), 0, 255)


def blurred_part(face: Face, *, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns that are blurred for `face` in a picture of that size."""
    return (
        _span(face.top, face.bottom, length=height),
        _span(face.left, face.right, length=width),
    )


def _span(first: float, last: float, *, length: int) -> slice:
    """Return the pixels from `first` to `last` (fractions of `length`) with the margin."""
    margin = (last - first) * MARGIN
    start = int(np.floor((first - margin) * length))
    stop = int(np.ceil((last + margin) * length))
    return slice(max(0, start), min(length, stop))


def _smoothing(length: int) -> NDArray[np.float32]:
    """Return the (length, length) matrix that averages over cells and blends between them."""
    cells = min(CELLS, length)
    at = np.arange(length)
    average = (at * cells // length == np.arange(cells)[:, np.newaxis]).astype(np.float32)
    average /= average.sum(axis=1, keepdims=True)
    place = np.clip((at + 0.5) * cells / length - 0.5, 0, cells - 1)
    blend = np.maximum(0, 1 - np.abs(place[:, np.newaxis] - np.arange(cells)))
    matrix: NDArray[np.float32] = (blend @ average).astype(np.float32)
    return matrix
