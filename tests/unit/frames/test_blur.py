"""Blurring.

Guards: nothing finer than a cell survives, the rest of the picture stays, the same picture gives
the same blur, and faces at the edge or smaller than a cell are no special case.
"""

import numpy as np
import pytest

from apps.frames.blur import CELLS, blur_face, blurred_part
from apps.frames.faces import Face


def noise(height: int = 120, width: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


FACE = Face(left=0.4, top=0.3, right=0.6, bottom=0.7, score=1)


def test_only_the_face_and_its_margin_change():
    pixels = noise()
    before = pixels.copy()
    blur_face(pixels, FACE)
    rows, columns = blurred_part(FACE, height=120, width=160)
    assert (rows, columns) == (slice(21, 99), slice(54, 106))
    inside = np.zeros(pixels.shape, dtype=bool)
    inside[rows, columns] = True
    assert (pixels[~inside] == before[~inside]).all()
    assert (pixels[inside] != before[inside]).mean() > 0.9


def test_pictures_with_the_same_averages_look_the_same_afterwards():
    # What lies within a cell is shuffled: if that changes nothing, nothing of it is left.
    first = noise()
    second = first.copy()
    rows, columns = blurred_part(FACE, height=120, width=160)
    rng = np.random.default_rng(1)
    for cell_rows in np.array_split(np.arange(rows.start, rows.stop), CELLS):
        for cell_columns in np.array_split(np.arange(columns.start, columns.stop), CELLS):
            place = np.ix_(cell_rows, cell_columns)
            cell = second[place].reshape(-1, 3)
            second[place] = rng.permutation(cell).reshape(second[place].shape)
    assert (first != second).any()
    blur_face(first, FACE)
    blur_face(second, FACE)
    assert (first == second).all()


@pytest.mark.parametrize(
    "face",
    [
        Face(left=0, top=0, right=0.1, bottom=0.1, score=1),
        Face(left=0.9, top=0.9, right=1, bottom=1, score=1),
        Face(left=0, top=0, right=1, bottom=1, score=1),
        Face(left=0.5, top=0.5, right=0.5, bottom=0.5, score=1),
    ],
)
def test_at_the_edges_and_without_extent(face: Face):
    pixels = noise()
    blur_face(pixels, face)
    assert pixels.shape == (120, 160, 3)


def test_one_pixel():
    pixels = noise(1, 1)
    before = pixels.copy()
    blur_face(pixels, FACE)
    assert (pixels == before).all()
