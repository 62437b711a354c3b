"""The size a frame has for the model, and its JPEG bytes."""

import uuid
from typing import Final

import simplejpeg

from apps.frames.types import EncodedFrame, FilteredFrame

PATCH: Final = 28
"""Pixels per side of one visual token of Qwen2.5-VL."""

MIN_EDGE: Final = 2 * PATCH
"""Below 56 x 56 pixels the model's own processor would resize the image again."""


def model_size(width: int, height: int, *, max_edge: int) -> tuple[int, int]:
    """Return the (width, height) in pixels at which a frame goes to the model.

    Both are multiples of 28, so the model's own resize is the identity and the boxes it answers
    with map straight back. The longer edge is at most `max_edge`; a small frame is not enlarged
    beyond the next multiple. Raises ValueError for a size that is not positive or a `max_edge`
    below 56.
    """
    if width < 1 or height < 1:
        raise ValueError(f"A frame of {width}x{height} pixels has no content.")
    if max_edge < MIN_EDGE:
        raise ValueError(f"max_edge is {max_edge}, at least {MIN_EDGE} is needed.")
    scale = min(1.0, max_edge / max(width, height))
    return _to_patches(width * scale, max_edge), _to_patches(height * scale, max_edge)


def _to_patches(edge: float, max_edge: int) -> int:
    nearest = round(edge / PATCH) * PATCH
    return max(MIN_EDGE, min(nearest, max_edge // PATCH * PATCH))


def encode(frame: FilteredFrame, *, quality: int) -> EncodedFrame:
    """Return `frame` as JPEG of `quality` (1 to 100); about 1 ms, in the caller's thread."""
    if not isinstance(frame, FilteredFrame):
        raise TypeError("Only a filtered frame may be encoded.")
    jpeg: bytes = simplejpeg.encode_jpeg(
        frame.pixels, quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return EncodedFrame(
        jpeg=jpeg,
        width=frame.width,
        height=frame.height,
        captured_at=frame.captured_at,
        uuid=uuid.uuid4().hex,
    )
