"""Colours of the demo scenes: names, anchors, jitter, and distance as an eye sees it."""

from __future__ import annotations

import functools

import numpy as np

Rgb = tuple[int, int, int]

# The first anchor of each is the web colour of that name; green also has easy-vqa's (pure) green.
ANCHORS: dict[str, tuple[Rgb, ...]] = {
    "black": ((0, 0, 0), (18, 18, 20)),
    "blue": ((0, 0, 255), (20, 60, 220)),
    "brown": ((165, 42, 42), (139, 69, 19)),
    "gray": ((128, 128, 128), (140, 140, 142)),
    "green": ((0, 128, 0), (0, 255, 0), (40, 170, 60)),
    "purple": ((128, 0, 128), (150, 50, 200)),
    "red": ((255, 0, 0), (220, 25, 30)),
    "teal": ((0, 128, 128), (0, 145, 140)),
    "white": ((255, 255, 255), (245, 245, 245)),
    "yellow": ((255, 255, 0), (245, 215, 20)),
}
COLOURS: tuple[str, ...] = tuple(ANCHORS)
MIN_CONTRAST = 30.0  # CIE Lab distance between a shape and the backdrop behind it
COLOURLESS = frozenset({"black", "gray", "white"})
COLOUR_MARGIN = 0.75  # a jittered colour is at most this near its own anchor, others being 1


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB of 0..255 on the last axis to CIE Lab (D65)."""
    scaled = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    cube = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(cube, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


@functools.cache
def _anchor_table() -> tuple[np.ndarray, np.ndarray]:
    names = np.array([index for index, name in enumerate(COLOURS) for _ in ANCHORS[name]])
    values = np.array([anchor for name in COLOURS for anchor in ANCHORS[name]])
    return names, lab(values)


def is_clearly(rgb: np.ndarray, colour: str) -> bool:
    """Whether a colour is nearer its own name's anchors than any other's, by a margin."""
    names, anchors = _anchor_table()
    distance = np.linalg.norm(anchors - lab(rgb), axis=-1)
    own = names == COLOURS.index(colour)
    return bool(distance[own].min() < COLOUR_MARGIN * distance[~own].min())


def jittered(colour: str, rng: np.random.Generator, *, spread: float) -> Rgb:
    """A colour of this name, `spread` being the standard deviation in 0..255 levels."""
    anchors = ANCHORS[colour]
    if colour in COLOURLESS:  # a tint would make them a colour
        spread *= 0.35
    for _ in range(20):
        anchor = np.array(anchors[int(rng.integers(len(anchors)))], dtype=np.float64)
        if spread > 0 and rng.random() < 0.5:  # between two anchors as often as at one
            other = np.array(anchors[int(rng.integers(len(anchors)))])
            anchor += (other - anchor) * rng.random()
        value = np.clip(anchor + rng.normal(0, spread, 3), 0, 255).round()
        if is_clearly(value, colour):
            break
    else:
        value = np.array(anchors[0])
    red, green, blue = (int(level) for level in value)
    return red, green, blue


def contrast(first: np.ndarray | Rgb, second: np.ndarray | Rgb) -> float:
    """CIE Lab distance (1976) of two sRGB colours."""
    return float(np.linalg.norm(lab(np.asarray(first)) - lab(np.asarray(second))))
