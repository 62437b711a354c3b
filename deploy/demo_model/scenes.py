"""Scenes of one to three coloured shapes: what they are, how they are chosen, how they are drawn.

Needs numpy and OpenCV only. A scene is a value: drawing it twice gives the same picture, at any
size. At most one shape lies at each place (left, middle, right), and bands of the frame between
the places stay empty, so that every question about a scene has one right answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from deploy.demo_model.backdrops import (
    UNREADABLE,
    Backdrop,
    paint,
    paint_unreadable,
    sample_backdrop,
)
from deploy.demo_model.palette import (
    ANCHORS,
    COLOURS,
    MIN_CONTRAST,
    Rgb,
    contrast,
    is_clearly,
    jittered,
)

__all__ = ["COLOURS", "KINDS", "PLACES", "Light", "Scene", "Shape", "draw", "outline"]

KINDS = ("circle", "rectangle", "triangle", "star")
# Where a shape's centre may lie, as a share of the frame's width.
PLACES: dict[str, tuple[float, float]] = {
    "left": (0.10, 0.28),
    "middle": (0.43, 0.57),
    "right": (0.72, 0.90),
}
# White and gray fail the contrast rule more often, so they are tried more often.
COLOUR_SHARES = np.array([2.0 if name in ("gray", "white") else 1.0 for name in COLOURS])
COLOUR_SHARES /= COLOUR_SHARES.sum()
TWINS_SHARE = 0.3  # of scenes choose from two kinds only; of colours likewise
SUBPIXEL_BITS = 6
GAP = 0.03  # of the frame's width, between two shapes
EDGE = 0.015  # of the frame, between a shape and the frame's edge


@dataclass(frozen=True)
class Shape:
    """One shape.

    `x` and `y` are its centre as shares of the frame; `size` its longer extent as a share of the
    frame's shorter edge; `aspect` its longer extent over its shorter one; `turn` in radians.
    """

    kind: str
    colour: str
    place: str
    x: float
    y: float
    size: float
    aspect: float = 1.0
    turn: float = 0.0
    rgb: Rgb | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.colour not in COLOURS:
            raise ValueError(f"unknown kind or colour: {self.kind}, {self.colour}")
        if self.place not in PLACES and self.place != "between":
            raise ValueError(f"unknown place: {self.place}")

    @property
    def paint(self) -> Rgb:
        """The colour to draw it with."""
        return self.rgb or ANCHORS[self.colour][0]


@dataclass(frozen=True)
class Light:
    """How the light changes colours: a gain per channel, then a gamma."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0

    def on(self, levels: np.ndarray) -> np.ndarray:
        """Levels 0..255 as this light shows them, float32."""
        lit = np.clip(levels * np.asarray(self.gain, dtype=np.float32) / 255.0, 0, 1)
        return (255.0 * lit**self.gamma).astype(np.float32)

    def on_picture(self, picture: np.ndarray) -> np.ndarray:
        """A uint8 picture as this light shows it."""
        if self == Light():
            return picture
        levels = np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1)
        return cv2.LUT(picture, self.on(levels).round().astype(np.uint8)[:, None])


@dataclass(frozen=True)
class Scene:
    """Shapes from left to right before a backdrop; with `unreadable`, nothing one could name."""

    shapes: tuple[Shape, ...] = ()
    backdrop: Backdrop = field(default_factory=lambda: Backdrop(rgb=(240, 240, 240)))
    light: Light = field(default_factory=Light)
    unreadable: str | None = None
    smear: float = 0.0  # blur beyond recognition: sigma as a share of the shorter edge

    def __post_init__(self) -> None:
        if list(self.shapes) != sorted(self.shapes, key=lambda shape: shape.x):
            raise ValueError("shapes must be listed from left to right")

    @property
    def readable(self) -> bool:
        """Whether there is a shape that one could name."""
        return bool(self.shapes) and self.unreadable is None and self.smear == 0


def outline(shape: Shape, width: int, height: int) -> np.ndarray:
    """The shape's corners in pixels of a (width, height) frame, float64 (corners, 2)."""
    unit = _unit_outline(shape.kind, shape.aspect)
    cos, sin = np.cos(shape.turn), np.sin(shape.turn)
    turned = unit @ np.array([[cos, sin], [-sin, cos]])
    return turned * shape.size * min(width, height) + (shape.x * width, shape.y * height)


def _unit_outline(kind: str, aspect: float) -> np.ndarray:
    """Corners around the origin; the longer extent is 1."""
    if kind == "rectangle":
        return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (0.5, 0.5 / aspect)
    if kind == "triangle":  # the centre of its bounding box is the origin
        return np.array([(0, -1), (1, 1), (-1, 1)]) * (0.5 / aspect, 0.5)
    points = 40 if kind == "circle" else 10
    angles = np.arange(points) * 2 * np.pi / points - np.pi / 2
    radii = np.where(np.arange(points) % 2, 0.2, 0.5) if kind == "star" else np.full(points, 0.5)
    return np.stack((np.cos(angles) / aspect, np.sin(angles)), axis=1) * radii[:, None]


def fill(canvas: np.ndarray, corners: np.ndarray, value: tuple[float, ...]) -> None:
    """Fill a polygon with soft edges, in place."""
    # OpenCV's pixel centres are whole numbers, ours are halves.
    fixed = np.round((corners - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], value, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def draw(
    scene: Scene, width: int, height: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """The scene as uint8 RGB (height, width, 3); with `rng`, with a sensor's noise."""
    if scene.unreadable is not None:
        seed = scene.backdrop.seed
        canvas = paint_unreadable(scene.unreadable, width, height, seed)
    else:
        canvas = paint(scene.backdrop, width, height)
    # OpenCV draws soft edges in 8-bit pictures only, so the light comes before the shapes.
    picture = scene.light.on_picture(np.clip(canvas + 0.5, 0, 255).astype(np.uint8))
    for shape in scene.shapes:
        lit = scene.light.on(np.array(shape.paint, dtype=np.float32))
        fill(picture, outline(shape, width, height), tuple(float(v) for v in lit.round()))
    if scene.smear:
        picture = cv2.GaussianBlur(picture, (0, 0), scene.smear * min(width, height))
    if rng is not None:
        noise = rng.normal(0, rng.uniform(0.5, 5), picture.shape)
        picture = np.clip(picture + noise, 0, 255).round().astype(np.uint8)
    return picture


def sample_scene(
    rng: np.random.Generator,
    *,
    width: int = 640,
    height: int = 480,
    count: int | None = None,
    clean: bool = False,
    unreadable_share: float = 0.0,
) -> Scene:
    """A random scene for frames of this aspect.

    `clean` is a drawing as a page makes it: exact colours on a flat light backdrop, even light.
    """
    if rng.random() < unreadable_share:
        return _sample_unreadable(rng, width, height)
    if count is None:
        count = int(rng.choice((1, 2, 3), p=(0.28, 0.36, 0.36)))
    while True:
        backdrop = _flat_backdrop(rng) if clean else sample_backdrop(rng)
        light = Light() if clean else sample_light(rng)
        places = sorted(rng.choice(len(PLACES), count, replace=False))
        shapes = _sample_shapes(rng, [list(PLACES)[index] for index in places], (width, height))
        shares = _colour_shares(rng)
        coloured = [
            _with_colour(shape, backdrop, light, rng, clean=clean, shares=shares)
            for shape in shapes
        ]
        if shapes and all(coloured):
            return Scene(tuple(shape for shape in coloured if shape), backdrop, light)


def sample_light(rng: np.random.Generator) -> Light:
    """Lamps and exposure as they differ between rooms, mildly."""
    if rng.random() < 0.35:
        return Light()
    gain = rng.uniform(0.82, 1.08) * rng.uniform(0.96, 1.04, 3)
    red, green, blue = (float(value) for value in gain)
    return Light((red, green, blue), float(rng.uniform(0.87, 1.18)))


def _flat_backdrop(rng: np.random.Generator) -> Backdrop:
    level = int(rng.choice((255, 250, 245, 240, 230, 220, 200, 192, 180)))
    tint = rng.integers(-4, 5, 3) if rng.random() < 0.3 else np.zeros(3, dtype=int)
    red, green, blue = (int(v) for v in np.clip(level + tint, 0, 255))
    return Backdrop(rgb=(red, green, blue))


def _sample_shapes(
    rng: np.random.Generator, places: list[str], frame: tuple[int, int]
) -> list[Shape]:
    """Shapes at these places that fit the frame and keep apart; empty if this draw did not fit."""
    width, height = frame
    largest = {1: 0.55, 2: 0.48, 3: 0.38}[len(places)]
    shapes: list[Shape] = []
    right_edge = 0.0
    kinds = _few_or_all(KINDS, rng)
    for place in places:
        kind = kinds[int(rng.integers(len(kinds)))]
        size = float(np.exp(rng.uniform(np.log(0.17), np.log(largest))))
        x = float(rng.uniform(*PLACES[place]))
        draft = Shape(
            kind, "black", place, x, 0.5, size, _sample_aspect(kind, rng), _sample_turn(kind, rng)
        )
        corners = outline(draft, width, height) / (width, height)
        low, high = corners.min(axis=0), corners.max(axis=0)
        if low[0] < max(EDGE, right_edge) or high[0] > 1 - EDGE or high[1] - low[1] > 1 - 2 * EDGE:
            return []
        right_edge = high[0] + GAP
        y = float(rng.uniform(EDGE - low[1] + 0.5, 1 - EDGE - high[1] + 0.5))
        shapes.append(Shape(kind, "black", place, x, y, size, draft.aspect, draft.turn))
    return shapes


def _few_or_all(options: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Often two options only, so that scenes with two or three alike are not rare."""
    if rng.random() < TWINS_SHARE:
        return tuple(str(option) for option in rng.choice(options, 2, replace=False))
    return options


def _colour_shares(rng: np.random.Generator) -> np.ndarray:
    """How often each colour is to be tried; in some scenes two colours only."""
    few = _few_or_all(COLOURS, rng)
    shares = np.where(np.isin(COLOURS, few), COLOUR_SHARES, 0.0)
    return shares / shares.sum()


def _sample_aspect(kind: str, rng: np.random.Generator) -> float:
    if kind == "rectangle":
        return float(rng.uniform(1, 1.15) if rng.random() < 0.4 else rng.uniform(1.1, 2.2))
    return float(rng.uniform(0.8, 1.25)) if kind == "triangle" else 1.0


def _sample_turn(kind: str, rng: np.random.Generator) -> float:
    if rng.random() < 0.5:
        quarter = kind == "rectangle" and rng.random() < 0.5
        return float(np.pi / 2 if quarter else 0.0)
    return float(rng.uniform(0, 2 * np.pi))


def _with_colour(
    shape: Shape,
    backdrop: Backdrop,
    light: Light,
    rng: np.random.Generator,
    *,
    clean: bool,
    shares: np.ndarray,
) -> Shape | None:
    """The shape in a colour that stands out from the backdrop and keeps its name in this light."""
    behind = light.on(np.array(backdrop.rgb, dtype=np.float32))
    for _ in range(8):
        colour = COLOURS[int(rng.choice(len(COLOURS), p=shares))]
        spread = 0.0 if clean else float(rng.uniform(0, 10))
        rgb = ANCHORS[colour][0] if clean else jittered(colour, rng, spread=spread)
        seen = light.on(np.array(rgb, dtype=np.float32))
        if contrast(seen, behind) >= MIN_CONTRAST + backdrop.slope and is_clearly(seen, colour):
            return Shape(
                shape.kind, colour, shape.place, shape.x, shape.y, shape.size,
                shape.aspect, shape.turn, rgb,
            )  # fmt: skip
    return None


def _sample_unreadable(rng: np.random.Generator, width: int, height: int) -> Scene:
    """Nothing to name: an empty or confusing frame, or shapes blurred beyond recognition."""
    if rng.random() < 0.1:
        scene = sample_scene(rng, width=width, height=height)
        smear = max(shape.size for shape in scene.shapes) * rng.uniform(0.5, 1.0)
        return Scene(scene.shapes, scene.backdrop, scene.light, smear=float(smear))
    kind = UNREADABLE[int(rng.choice(len(UNREADABLE), p=(0.28, 0.08, 0.1, 0.1, 0.1, 0.22, 0.12)))]
    return Scene((), sample_backdrop(rng), Light(), unreadable=kind)
