"""Camera pictures composed of photographs' faces and backgrounds."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from deploy.privacy_check.boxes import of_photo, within
from deploy.privacy_check.types import Box, FrameSize, Photo, Pixels, Placed

LARGEST_ENLARGEMENT: Final = 2.0


def scenes(
    photos: list[tuple[Photo, Pixels]],
    backgrounds: list[Pixels],
    *,
    frame: FrameSize,
    size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Pixels, list[Placed]]]:
    """Yield camera pictures that together hold every face once, side by side."""
    width, height = frame
    scene, x = _background(backgrounds, frame, rng), 0
    placed: list[Placed] = []
    for photo, pixels in photos:
        cut = cut_out(photo, pixels, size=size)
        if cut is None:
            continue
        part, box = cut
        part = part[:height, :width]
        if x + part.shape[1] > width and placed:
            yield scene, placed
            scene, placed, x = _background(backgrounds, frame, rng), [], 0
        x += int(rng.integers(0, max(1, min(40, width - x - part.shape[1] + 1))))
        y = int(rng.integers(0, height - part.shape[0] + 1))
        _paste(scene, part, x, y)
        there = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
        placed.append(Placed(photo, frame, size, there))
        x += part.shape[1]
    if placed:
        yield scene, placed


def cut_out(photo: Photo, pixels: Pixels, *, size: int) -> tuple[Pixels, Box] | None:
    """Return the person around a face, the face `size` high, and the face's box in it.

    None when the photograph is too small for that.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box = of_photo(photo, pixels)
    scale = size / (bottom - top)
    if scale > LARGEST_ENLARGEMENT:
        return None
    across, down = right - left, bottom - top
    x0, x1 = max(0, int(left - across)), min(width, int(right + across))
    y0, y1 = max(0, int(top - 0.7 * down)), min(height, int(bottom + 1.2 * down))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(pixels[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=way)
    return np.asarray(part, dtype=np.uint8), within(box, x=x0, y=y0, scale=scale)


def _background(backgrounds: list[Pixels], frame: FrameSize, rng: np.random.Generator) -> Pixels:
    image = backgrounds[int(rng.integers(len(backgrounds)))]
    scene = cv2.resize(image, frame, interpolation=cv2.INTER_AREA).astype(np.float32)
    lit: Pixels = np.clip(scene * rng.uniform(0.6, 1.1), 0, 255).astype(np.uint8)
    return lit


def _paste(scene: Pixels, part: Pixels, x: int, y: int) -> None:
    """Put `part` in with a soft edge, so that its border is no feature."""
    height, width = part.shape[:2]
    edge = max(2, min(height, width) // 10)
    ramps = [
        np.minimum(1, (np.minimum(np.arange(n), np.arange(n)[::-1]) + 1) / edge)
        for n in (height, width)
    ]
    weight = (ramps[0][:, None] * ramps[1][None])[:, :, None]
    under = scene[y : y + height, x : x + width]
    scene[y : y + height, x : x + width] = (part * weight + under * (1 - weight)).astype(np.uint8)
