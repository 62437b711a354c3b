"""What the benchmark's cameras send: a timecoded picture, or a clip encoded beforehand.

The sizes and rates are those that the camera page sends a 1280x720 camera at (see
`static/camera/encoding.js`), and full 720p for comparison.
"""

import asyncio
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from aiortc import MediaStreamTrack
from av import VideoFrame
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from deploy.benchmark import timecode

CLOCK: Final = 90_000
_TIME_BASE: Final = Fraction(1, CLOCK)


@dataclass(frozen=True)
class Shape:
    """Size in pixels, frames a second, bits a second."""

    width: int
    height: int
    framerate: float
    bitrate: int


SHAPES: Final = {
    "idle": Shape(640, 360, 10, 345_600),
    "live": Shape(640, 360, 10, 345_600),
    "asking": Shape(640, 360, 30, 1_036_800),
    "720p15": Shape(1280, 720, 15, 1_500_000),
    "720p30": Shape(1280, 720, 30, 2_500_000),
}


def scene(width: int, height: int, *, step: int = 0) -> np.ndarray:
    """Return a soft scene as I420, uint8 of shape (height * 3 / 2, width), panned by `step`."""
    dice = np.random.default_rng(7)
    coarse = dice.integers(60, 190, (height // 40 + 1, width // 40 + 1), dtype=np.uint8)
    luma = np.kron(coarse, np.ones((40, 40), dtype=np.uint8))[:height, :width]
    grain = dice.integers(-3, 4, (height, width), dtype=np.int16)
    luma = np.clip(np.roll(luma, step, axis=1) + np.roll(grain, 7 * step), 16, 235)
    picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    picture[:height] = luma
    return picture


class _Paced(MediaStreamTrack):
    kind = "video"

    def __init__(self, framerate: float) -> None:
        super().__init__()
        self.framerate = framerate
        self._due = 0.0
        self._began = time.monotonic()

    async def _tick(self) -> int:
        """Wait for the next frame's moment; return its timestamp."""
        now = time.monotonic()
        self._due = max(self._due + 1 / self.framerate, now)
        await asyncio.sleep(self._due - now)
        return int((time.monotonic() - self._began) * CLOCK)


class TimecodedTrack(_Paced):
    """Paints the time into each frame; `framerate` may be changed at any time."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape.framerate)
        self._height = shape.height
        self._scenes = [scene(shape.width, shape.height, step=step) for step in range(8)]
        self._number = 0

    async def recv(self) -> VideoFrame:
        """Return the next frame."""
        timestamp = await self._tick()
        self._number += 1
        picture = self._scenes[self._number % len(self._scenes)]
        timecode.paint(picture[: self._height], timecode.now_ms())
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = timestamp, _TIME_BASE
        return frame


class ClipTrack(_Paced):
    """Sends a clip over and over, so that many cameras cost this side little."""

    def __init__(self, clip: list[bytes], framerate: float) -> None:
        super().__init__(framerate)
        self._clip = clip
        self._number = 0

    async def recv(self) -> "Packet[Any]":
        """Return the next encoded frame, which aiortc sends as it is."""
        timestamp = await self._tick()
        packet = Packet(self._clip[self._number % len(self._clip)])
        packet.pts, packet.time_base = timestamp, _TIME_BASE
        self._number += 1
        return packet


_ENCODERS: Final = {
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0"}),
    "H264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"}),
}


def encoded_clip(shape: Shape, *, codec: str = "VP8", seconds: float = 4.0) -> list[bytes]:
    """Return a clip of frames at the shape's bitrate; the first alone is a keyframe."""
    encoder, options = _ENCODERS[codec]
    # PyAV's types know the kind of a codec by its literal name only.
    context = cast(VideoCodecContext, av.CodecContext.create(encoder, "w"))
    context.width, context.height, context.pix_fmt = shape.width, shape.height, "yuv420p"
    context.time_base = Fraction(1, int(shape.framerate))
    context.bit_rate = shape.bitrate
    context.gop_size = 10_000
    context.options = options
    clip: list[bytes] = []
    for number in range(int(seconds * shape.framerate)):
        frame = VideoFrame.from_ndarray(scene(shape.width, shape.height, step=number), "yuv420p")
        frame.pts = number
        clip += [bytes(packet) for packet in context.encode(frame)]
    clip += [bytes(packet) for packet in context.encode(None)]
    return clip
