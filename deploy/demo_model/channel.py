"""A scene's way from a camera to the model, for real: VP8 as WebRTC codes it, resize, JPEG.

Needs aiortc and PyAV for anything but the clean way; never used in training.
"""

from __future__ import annotations

import fractions

import cv2
import numpy as np

from deploy.demo_model.camera import CELL
from deploy.demo_model.scenes import Scene, draw

LONGER_EDGE = 448  # pixels, as the platform sends frames
JPEG_QUALITY = 80
FRAMES_CODED = 6  # the model sees the last; the rate control has settled by then
FRAME_RATE = 15
CLOCK = 90_000


def as_sent(picture: np.ndarray) -> bytes:
    """An RGB frame as the platform sends it: shrunk to multiples of 28, then JPEG."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGER_EDGE / max(height, width))
    size = [max(1, round(edge * scale / CELL)) * CELL for edge in (width, height)]
    if min(height, width) >= CELL * 4 and scale < 1:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    quality = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], quality)
    return data.tobytes()


def filmed(
    scene: Scene, width: int, height: int, rng: np.random.Generator, *, bitrate: int
) -> np.ndarray:
    """The scene as the far end of a WebRTC call sees it; bitrate in bits per second."""
    from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
    from aiortc.jitterbuffer import JitterFrame
    from av import VideoFrame

    encoder, decoder = Vp8Encoder(), Vp8Decoder()
    encoder.target_bitrate = bitrate
    still = draw(scene, width, height)
    if rng.random() < 0.5:
        still = cv2.GaussianBlur(still, (0, 0), float(rng.uniform(0.4, 1.6)) * height / 480)
    amplitude = float(rng.uniform(0, 7))
    seen = still
    for number in range(FRAMES_CODED):
        noise = rng.normal(0, amplitude, still.shape)
        noisy = np.clip(still + noise, 0, 255).astype(np.uint8)
        frame = VideoFrame.from_ndarray(noisy, format="rgb24").reformat(format="yuv420p")
        frame.pts = number * CLOCK // FRAME_RATE
        frame.time_base = fractions.Fraction(1, CLOCK)
        payloads, timestamp = encoder.encode(frame, force_keyframe=number == 0)
        data = b"".join(_payload(payload) for payload in payloads)
        for decoded in decoder.decode(JitterFrame(data=data, timestamp=timestamp)):
            seen = decoded.to_ndarray(format="rgb24")  # type: ignore[attr-defined]
    return seen


def _payload(packet: bytes) -> bytes:
    """A packet's VP8 data, without the RTP payload's descriptor."""
    from aiortc.codecs.vpx import VpxPayloadDescriptor

    return VpxPayloadDescriptor.parse(packet)[1]
