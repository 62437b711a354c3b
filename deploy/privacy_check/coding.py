"""What WebRTC makes of a picture on its way."""

import time
from fractions import Fraction
from typing import Final

import numpy as np
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterFrame
from av import VideoFrame

from apps.frames.types import RawFrame
from deploy.privacy_check.types import Pixels

FRAMES_CODED: Final = 5
FRAME_RATE: Final = 15
CLOCK: Final = 90_000
NOISE: Final = 3
"""Standard deviation of the camera's noise."""


def coded(scene: Pixels, *, bitrate: int, rng: np.random.Generator) -> RawFrame:
    """Return the scene as the far end of a WebRTC call decodes it, with a camera's noise."""
    encoder, decoder = Vp8Encoder(), Vp8Decoder()
    encoder.target_bitrate = bitrate
    seen = None
    for number in range(FRAMES_CODED):
        image = _filmed(scene, number=number, rng=rng)
        payloads, timestamp = encoder.encode(image, force_keyframe=number == 0)
        data = b"".join(VpxPayloadDescriptor.parse(payload)[1] for payload in payloads)
        for decoded in decoder.decode(JitterFrame(data=data, timestamp=timestamp)):
            seen = decoded
    if not isinstance(seen, VideoFrame):
        raise RuntimeError("The decoder gave no picture.")
    return RawFrame(image=seen, captured_at=time.time())


def _filmed(scene: Pixels, *, number: int, rng: np.random.Generator) -> VideoFrame:
    noise = rng.normal(0, NOISE, scene.shape)
    noisy = np.clip(scene + noise, 0, 255).astype(np.uint8)
    image = VideoFrame.from_ndarray(noisy, format="rgb24").reformat(format="yuv420p")
    image.pts = number * CLOCK // FRAME_RATE
    image.time_base = Fraction(1, CLOCK)
    return image
