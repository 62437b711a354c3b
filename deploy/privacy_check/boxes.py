"""Boxes of faces: in which picture's pixels they are, and how they lie to each other."""

from typing import Final

import cv2
import numpy as np

from apps.frames.faces import Face
from deploy.privacy_check.types import Box, FrameSize, Photo, Pixels

CLOSE_UP: Final = 100
"""Height of a face in its close-up, pixels."""


def of_photo(photo: Photo, pixels: Pixels) -> Box:
    """Return the box of a photograph's face in pixels."""
    height, width = pixels.shape[:2]
    return _in_pixels(photo.box, width=width, height=height)


def of_face(face: Face, *, width: int, height: int) -> Box:
    """Return a found face's box in pixels."""
    return _in_pixels((face.left, face.top, face.right, face.bottom), width=width, height=height)


def _in_pixels(box: Box, *, width: int, height: int) -> Box:
    left, top, right, bottom = box
    return (left * width, top * height, right * width, bottom * height)


def scaled(box: Box, frame: FrameSize, pixels: Pixels) -> Box:
    """Return a box of the camera's frame in the filtered picture."""
    x, y = pixels.shape[1] / frame[0], pixels.shape[0] / frame[1]
    return (box[0] * x, box[1] * y, box[2] * x, box[3] * y)


def within(box: Box, *, x: int, y: int, scale: float) -> Box:
    """Return a box in the part of its picture that begins at `x`, `y` and is enlarged."""
    left, top, right, bottom = box
    return ((left - x) * scale, (top - y) * scale, (right - x) * scale, (bottom - y) * scale)


def close_up(pixels: Pixels, box: Box) -> tuple[Pixels, Box]:
    """Return a face's surroundings with the face `CLOSE_UP` high, and where it is in them."""
    across, down = (box[2] - box[0]) * 0.6, (box[3] - box[1]) * 0.6
    x0, y0 = max(0, int(box[0] - across)), max(0, int(box[1] - down))
    part = pixels[y0 : int(box[3] + down) + 1, x0 : int(box[2] + across) + 1]
    scale = CLOSE_UP / (box[3] - box[1])
    enlarged = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(enlarged), within(box, x=x0, y=y0, scale=scale)


def hit(box: Box, found: list[Box]) -> bool:
    """Say whether one of the found boxes is this face: it overlaps it, and is of its size."""
    return any(overlap(box, other) > 0.25 for other in found)


def overlap(a: Box, b: Box) -> float:
    """Return two boxes' intersection over union."""
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = across * down
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
