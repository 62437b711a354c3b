"""The types of a frame between the decoder and the model.

Raw frames never leave the process: only `apps.frames.privacy.apply` turns a `RawFrame` into a
`FilteredFrame`, nothing else can be encoded, and only what is encoded can be stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

# A worker and a command handle encoded frames only, and need neither.
if TYPE_CHECKING:
    import numpy as np
    from av import VideoFrame
    from numpy.typing import NDArray

_SEAL: Final = object()


@dataclass(frozen=True, eq=False)
class RawFrame:
    """A decoded frame as the camera sent it; `captured_at` is seconds since epoch."""

    image: VideoFrame
    captured_at: float

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.image.height


@dataclass(frozen=True, eq=False)
class FilteredFrame:
    """A frame the privacy filters let pass, at the size the model sees.

    `pixels` is uint8 RGB of shape (height, width, 3), read-only. Made by `privacy.apply` alone.
    """

    pixels: NDArray[np.uint8]
    captured_at: float
    seal: object = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse to exist without the seal that the privacy filters hold."""
        if self.seal is not _SEAL:
            raise TypeError("Only apps.frames.privacy.apply makes a FilteredFrame.")
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != "uint8":
            raise ValueError("A filtered frame is uint8 of shape (height, width, 3).")
        self.pixels.setflags(write=False)

    @property
    def width(self) -> int:
        """Width in pixels, a multiple of 28."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels, a multiple of 28."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class EncodedFrame:
    """A filtered frame as JPEG.

    `uuid` (32 hex digits) is random: it names the image in the model server's caches and tells
    nothing about its session.
    """

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    captured_at: float
    uuid: str
