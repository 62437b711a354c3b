"""What lies behind the shapes, and scenes in which there is no shape to make out."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from deploy.demo_model.palette import Rgb

UNREADABLE = ("plain", "dark", "noise", "texture", "gradient", "clutter", "scribble")


@dataclass(frozen=True)
class Backdrop:
    """A wall, a table, a sheet of paper: one colour with gentle changes.

    `slope` is the change in levels from the frame's middle to its edge along `angle`; `vignette`
    is the share of light lost in the corners; `grain` is the texture's amplitude in levels.
    """

    rgb: Rgb
    slope: float = 0.0
    angle: float = 0.0
    vignette: float = 0.0
    grain: float = 0.0
    stripes: bool = False
    seed: int = 0


def sample_backdrop(rng: np.random.Generator) -> Backdrop:
    """A backdrop as webcams see them: mostly light, some gray, dark or tinted."""
    kind = rng.choice(4, p=(0.42, 0.26, 0.14, 0.18))
    hue, pick = rng.random(), rng.random()
    saturation, value = (
        (0.06 * pick, rng.uniform(0.88, 1.0)),
        (0.08 * pick, rng.uniform(0.35, 0.88)),
        (0.20 * pick, rng.uniform(0.03, 0.30)),
        (0.05 + 0.25 * pick, rng.uniform(0.5, 0.95)),
    )[int(kind)]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    uneven = rng.random(3) < (0.4, 0.35, 0.35)
    return Backdrop(
        rgb=(red, green, blue),
        slope=float(uneven[0] * rng.uniform(3, 22)),
        angle=float(rng.uniform(0, 2 * np.pi)),
        vignette=float(uneven[1] * rng.uniform(0.03, 0.25)),
        grain=float(uneven[2] * rng.uniform(1, 7)),
        stripes=bool(rng.random() < 0.3),
        seed=int(rng.integers(2**31)),
    )


def paint(backdrop: Backdrop, width: int, height: int) -> np.ndarray:
    """The backdrop as float32 (H, W, 3), levels 0..255 before clipping."""
    if not (backdrop.slope or backdrop.vignette or backdrop.grain):
        return np.full((height, width, 3), backdrop.rgb, dtype=np.float32)
    rows, columns = np.mgrid[-1:1:17j, -1:1:17j]
    along = np.cos(backdrop.angle) * columns + np.sin(backdrop.angle) * rows
    coarse = np.array(backdrop.rgb) + backdrop.slope * along[..., None]
    coarse *= 1 - backdrop.vignette * (rows**2 + columns**2)[..., None] / 2
    canvas = cv2.resize(coarse.astype(np.float32), (width, height))
    if backdrop.grain:
        canvas += backdrop.grain * _grain(backdrop, width, height)[..., None]
    return canvas


def _grain(backdrop: Backdrop, width: int, height: int) -> np.ndarray:
    """A mild texture of unit amplitude, (H, W): soft blotches or soft stripes."""
    rng = np.random.default_rng(backdrop.seed)
    shape = (2, int(rng.integers(6, 30))) if backdrop.stripes else tuple(rng.integers(5, 40, 2))
    return cv2.resize(rng.normal(0, 1, shape).astype(np.float32), (width, height))


def paint_unreadable(kind: str, width: int, height: int, seed: int) -> np.ndarray:
    """A frame without a shape to name, float32 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    backdrop = sample_backdrop(rng)
    if kind == "plain":
        return paint(backdrop, width, height)
    if kind == "dark":
        return rng.uniform(0, 14) + rng.normal(0, rng.uniform(0, 4), (height, width, 3))
    if kind == "noise":
        return _noise(rng, width, height)
    if kind == "texture":
        return _texture(rng, backdrop, width, height)
    if kind == "gradient":
        corners = rng.uniform(0, 255, (2, int(rng.integers(2, 4)), 3)).astype(np.float32)
        return cv2.resize(corners, (width, height))
    if kind == "clutter":
        return _clutter(rng, paint(backdrop, width, height))
    return _scribble(rng, paint(backdrop, width, height))


def _noise(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    cell = int(rng.choice((1, 2, 4, 8)))
    depth = 3 if rng.random() < 0.7 else 1
    shape = (-(-height // cell), -(-width // cell), depth)
    field = rng.normal(rng.uniform(60, 190), rng.uniform(25, 80), shape).astype(np.float32)
    field = np.repeat(field, 3 // depth, axis=2)
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_NEAREST)


def _texture(rng: np.random.Generator, backdrop: Backdrop, width: int, height: int) -> np.ndarray:
    """Waves and stripes, as of cloth, wood or blinds."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    canvas = paint(backdrop, width, height)
    for _ in range(int(rng.integers(1, 4))):
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(15, 150)
        wave = np.sin(pitch * (np.cos(angle) * columns + np.sin(angle) * rows) + rng.uniform(0, 6))
        wave = np.sign(wave) if rng.random() < 0.3 else wave
        canvas += wave[..., None] * rng.normal(0, 22, 3).astype(np.float32)
    return canvas


def _clutter(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Many overlapping blobs and edges, softly focused: a room, a face, a pile of things."""
    height, width = canvas.shape[:2]
    canvas = np.ascontiguousarray(canvas)
    base = rng.uniform(0, 255, 3)
    for _ in range(int(rng.integers(9, 40))):
        rgb = np.clip(base + rng.normal(0, rng.uniform(15, 70), 3), 0, 255)
        centre = rng.uniform(-0.1, 1.1, 2) * (width, height)
        axes = np.exp(rng.uniform(np.log(0.04), np.log(0.45), 2)) * height
        if rng.random() < 0.55:
            box = (centre.tolist(), (2 * axes).tolist(), float(rng.uniform(0, 180)))
            cv2.ellipse(canvas, box, rgb.tolist(), -1)
        else:
            corners = centre + rng.normal(0, 1, (int(rng.integers(3, 7)), 2)) * axes
            cv2.fillPoly(canvas, [corners.astype(np.int32)], rgb.tolist())
    sigma = height * rng.uniform(0.003, 0.06)
    return cv2.GaussianBlur(canvas, (0, 0), sigma)


def _scribble(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Pen strokes: writing, doodles, cables."""
    height, width = canvas.shape[:2]
    canvas = np.ascontiguousarray(canvas)
    for _ in range(int(rng.integers(1, 7))):
        steps = rng.normal(0, rng.uniform(0.02, 0.09), (int(rng.integers(8, 60)), 2))
        smooth = cv2.GaussianBlur(steps, (1, 5), 0)
        path = (rng.uniform(0.1, 0.9, 2) + np.cumsum(smooth, axis=0)) * (width, height)
        thickness = max(1, round(height * rng.uniform(0.004, 0.02)))
        rgb = rng.uniform(0, 255, 3).tolist()
        cv2.polylines(canvas, [path.astype(np.int32)], False, rgb, thickness, cv2.LINE_AA)
    return canvas
