"""Plain pictures for frame tests."""

import time

import numpy as np
from av import VideoFrame

from apps.frames.types import RawFrame


def raw_frame(
    width: int, height: int, *, colour: tuple[int, int, int] = (10, 120, 220)
) -> RawFrame:
    """A decoded frame (YUV 4:2:0, as decoders give it) of one RGB colour, captured now."""
    pixels = np.full((height, width, 3), colour, dtype=np.uint8)
    image = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    return RawFrame(image=image, captured_at=time.time())


def raw_picture(pixels: np.ndarray) -> RawFrame:
    """A decoded frame (YUV 4:2:0) of uint8 RGB (height, width, 3), captured now."""
    image = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    return RawFrame(image=image, captured_at=time.time())
