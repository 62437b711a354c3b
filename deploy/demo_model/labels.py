"""What the vision tower is taught about every patch and image token of a picture.

Image tokens are in raster order, patches with the four of a token together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np

from deploy.demo_model.camera import CELL, Grid
from deploy.demo_model.scenes import COLOURS, KINDS, Scene, fill, outline

BACKGROUND = len(KINDS)
NO_COLOUR = len(COLOURS)
MASK_SIDE = 7  # a patch's outline is taught on a grid of this side
MASK_CELL = 2  # pixels
SURE, NOTHING = 0.12, 0.01  # shares of a token covered by a shape: part of it, not part of it
SOFT_EDGE = 6.0  # pixels over which the centre passes from one token to the next


@dataclass(frozen=True)
class Labels:
    """Per token: kind, colour, how far it is the shape's centre, whether to be taught at all.

    Per patch: outline (7 x 7 shares covered), and the way to the shape's centre in tokens.
    """

    kind: np.ndarray  # (tokens,) int64, 4 is background
    colour: np.ndarray  # (tokens,) int64, 10 is none
    centre: np.ndarray  # (tokens,) float32, 0..1
    owner: np.ndarray  # (tokens,) int64, which of the scene's shapes it is part of, -1 is none
    taught: np.ndarray  # (tokens,) float32, 0 or 1
    mask: np.ndarray  # (patches, 49) float32, 0..1
    offset: np.ndarray  # (patches, 2) float32
    inside: np.ndarray  # (patches,) float32, 1 where the offset is taught


def scene_masks(scene: Scene, grid: Grid) -> list[np.ndarray]:
    """One uint8 mask of the model's input size for each shape of a readable scene."""
    masks = []
    for shape in scene.shapes if scene.readable else ():
        mask = np.zeros((grid.height, grid.width), dtype=np.uint8)
        # The frame's own aspect decides the outline; the resize then stretches it.
        corners = outline(shape, *grid.frame) * (
            grid.width / grid.frame[0],
            grid.height / grid.frame[1],
        )
        fill(mask, corners, (255.0,))
        masks.append(mask)
    return masks


def label(scene: Scene, masks: Sequence[np.ndarray], grid: Grid) -> Labels:
    """Labels of one picture."""
    rows, columns = grid.rows, grid.columns
    kind = np.full((rows, columns), BACKGROUND, dtype=np.int64)
    colour = np.full((rows, columns), NO_COLOUR, dtype=np.int64)
    owner = np.full((rows, columns), -1, dtype=np.int64)
    centre = np.zeros((rows, columns), dtype=np.float32)
    most = np.zeros((rows, columns), dtype=np.float32)
    union = np.zeros((grid.height, grid.width), dtype=np.uint8)
    offset = np.zeros((2 * rows, 2 * columns, 2), dtype=np.float32)
    inside = np.zeros((2 * rows, 2 * columns), dtype=np.float32)
    for number, (shape, mask) in enumerate(zip(scene.shapes, masks, strict=False)):
        cover = _cover(mask, CELL)
        here = (cover > SURE) & (cover > most)
        most = np.maximum(most, cover)
        kind[here], colour[here] = KINDS.index(shape.kind), COLOURS.index(shape.colour)
        owner[here] = number
        here_patch = _cover(mask, CELL // 2) > SURE
        inside[here_patch] = 1
        offset[here_patch] = _way_to(shape.x * columns, shape.y * rows, rows, columns)[here_patch]
        centre += _centre_share(shape.x * grid.width, columns) * _centre_share(
            shape.y * grid.height, rows
        ).reshape(-1, 1)
        np.maximum(union, mask, out=union)
    taught = (most > SURE) | (most < NOTHING) | (centre > 0.05)
    return Labels(
        kind.ravel(),
        colour.ravel(),
        centre.clip(0, 1).ravel(),
        owner.ravel(),
        taught.astype(np.float32).ravel(),
        _patch_outlines(union, grid),
        _by_token(offset, grid),
        _by_token(inside[..., None], grid)[:, 0],
    )


def stack(labels: Sequence[Labels]) -> dict[str, np.ndarray]:
    """Labels of a batch, each field with a leading batch axis."""
    return {
        item.name: np.stack([getattr(one, item.name) for one in labels]) for item in fields(Labels)
    }


def _cover(mask: np.ndarray, cell: int) -> np.ndarray:
    """Share of each cell covered, (height / cell, width / cell)."""
    height, width = mask.shape
    size = (width // cell, height // cell)
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _centre_share(position: float, count: int) -> np.ndarray:
    """How far a centre at this pixel belongs to each of `count` tokens along an axis."""
    starts = np.arange(count) * CELL
    into = np.minimum(position - starts, starts + CELL - position)
    return np.clip(into / SOFT_EDGE + 0.5, 0, 1).astype(np.float32)


def _way_to(x: float, y: float, rows: int, columns: int) -> np.ndarray:
    """From each patch's middle to (x, y), in tokens: (2 rows, 2 columns, 2)."""
    ys, xs = np.mgrid[0 : 2 * rows, 0 : 2 * columns] / 2 + 0.25
    return np.stack((x - xs, y - ys), axis=-1).astype(np.float32)


def _by_token(patches: np.ndarray, grid: Grid) -> np.ndarray:
    """(2 rows, 2 columns, n) in raster order to (patches, n), four of a token together."""
    split = patches.reshape(grid.rows, 2, grid.columns, 2, -1)
    return split.transpose(0, 2, 1, 3, 4).reshape(grid.rows * grid.columns * 4, -1)


def _patch_outlines(union: np.ndarray, grid: Grid) -> np.ndarray:
    fine = _cover(union, MASK_CELL)
    side = MASK_SIDE
    split = fine.reshape(grid.rows * 2, side, grid.columns * 2, side).transpose(0, 2, 1, 3)
    return _by_token(split.reshape(grid.rows * 2, grid.columns * 2, side * side), grid)
