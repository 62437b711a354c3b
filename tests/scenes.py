"""Scenes for cameras in tests, drawn by the demo checkpoint's own generator."""

from pathlib import Path

import cv2
import numpy as np

from deploy.demo_model.backdrops import Backdrop
from deploy.demo_model.scenes import PLACES, Scene, Shape, draw


def scene(*shapes: str) -> Scene:
    """Return a scene described like ``"red circle left"``, shapes from left to right."""
    made = []
    for words in shapes:
        colour, kind, place = words.split()
        low, high = PLACES[place]
        made.append(Shape(kind, colour, place, (low + high) / 2, 0.4, 0.3))
    return Scene(tuple(made), Backdrop(rgb=(225, 225, 225)))


def picture(*shapes: str, width: int = 640, height: int = 480) -> np.ndarray:
    """Return that scene as uint8 RGB (height, width, 3)."""
    return draw(scene(*shapes), width, height)


def write_y4m(path: Path, pictures: list[np.ndarray], *, seconds: float, rate: int = 10) -> Path:
    """Write a clip for Chromium's fake camera: each picture for ``seconds``, with light noise."""
    height, width, _ = pictures[0].shape
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for image in pictures:
            for _ in range(round(seconds * rate)):
                noise = rng.integers(-4, 5, image.shape, dtype=np.int16)
                noisy = np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)
                file.write(b"FRAME\n" + cv2.cvtColor(noisy, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path
