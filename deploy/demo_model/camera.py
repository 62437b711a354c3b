"""What happens to a frame between the scene and the model, in cheap imitation for training.

Blur, sensor noise, block-coded video (JPEG at low quality stands in for VP8 at a low bit rate),
and the resize to the model's input size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CELL = 28  # pixels along one edge of an image token


@dataclass(frozen=True)
class Grid:
    """A size of model input, in image tokens, and the camera frame (pixels) it comes from."""

    rows: int
    columns: int
    frame: tuple[int, int]

    @property
    def width(self) -> int:
        """Width of the model's input in pixels."""
        return self.columns * CELL

    @property
    def height(self) -> int:
        """Height of the model's input in pixels."""
        return self.rows * CELL


# Frames as the platform sends them (longer edge 448), and what the processor makes of them.
GRIDS = (
    Grid(5, 7, (448, 336)),
    Grid(5, 8, (448, 252)),
    Grid(7, 5, (336, 448)),
    Grid(8, 5, (252, 448)),
    Grid(6, 6, (448, 448)),
)
EASY_GRID = Grid(5, 5, (64, 64))


class Sensor:
    """Noise, blur and coding; keeps a bank of noise, as drawing it anew would cost the most."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.bank = rng.normal(0, 1, (512, 512, 3)).astype(np.float32)

    def capture(self, picture: np.ndarray, grid: Grid) -> np.ndarray:
        """A drawn frame (uint8 RGB, any size) as the model gets it: uint8 (height, width, 3)."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:  # drawn by a page, never filmed
            return _shrink(picture, grid)
        scale = picture.shape[0] / grid.height
        if rng.random() < 0.5:
            picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.2, 0.9)) * scale)
        picture = self._noisy(picture, float(rng.uniform(0.5, 6)) * scale)
        if rng.random() < 0.5:
            low, high = (12, 60) if scale > 1.3 else (35, 90)
            picture = _coded(picture, int(rng.integers(low, high)))
        return _shrink(picture, grid)

    def _noisy(self, picture: np.ndarray, amplitude: float) -> np.ndarray:
        height, width = picture.shape[:2]
        top, left = self.rng.integers(0, 513 - height), self.rng.integers(0, 513 - width)
        noise = self.bank[top : top + height, left : left + width]
        if self.rng.random() < 0.5:
            noise = noise[:, ::-1]
        return np.clip(picture + noise * amplitude, 0, 255).astype(np.uint8)


def _coded(picture: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _shrink(picture: np.ndarray, grid: Grid) -> np.ndarray:
    """Resize to the model's input; from above, by area, which is near antialiased bicubic."""
    if picture.shape[:2] == (grid.height, grid.width):
        return picture
    larger = picture.shape[0] > grid.height
    method = cv2.INTER_AREA if larger else cv2.INTER_CUBIC
    return cv2.resize(picture, (grid.width, grid.height), interpolation=method)
