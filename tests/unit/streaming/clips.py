"""Encoded pictures for decoder tests."""

from fractions import Fraction

import av
import numpy as np
from av import VideoFrame


def encoded_clip(
    codec: str, *, width: int = 320, height: int = 240, frames: int = 4, gop: int = 100
) -> list[bytes]:
    """`frames` noisy pictures encoded as aiortc senders do; a keyframe every `gop` frames."""
    context = av.CodecContext.create({"VP8": "libvpx", "H264": "libx264"}[codec], "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 30)
    context.gop_size = gop
    context.options = (
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        if codec == "VP8"
        else {"tune": "zerolatency", "preset": "ultrafast"}
    )
    noise = np.random.default_rng(1)
    base = noise.integers(0, 255, (height, width, 3), dtype=np.uint8)
    clip: list[bytes] = []
    for number in range(frames):
        frame = VideoFrame.from_ndarray(np.roll(base, 4 * number, axis=1), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = number
        clip += [bytes(packet) for packet in context.encode(frame)]
    clip += [bytes(packet) for packet in context.encode(None)]
    return clip


def vp8_bomb(keyframe: bytes, *, width: int = 16_383, height: int = 16_383) -> bytes:
    """A real VP8 keyframe that declares another size (RFC 6386 section 9.1)."""
    return keyframe[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + keyframe[10:]
