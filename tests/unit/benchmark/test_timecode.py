"""Timecodes survive what happens to a picture on its way to the model."""

import time
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from av import VideoFrame
from numpy.typing import NDArray

from deploy.benchmark import timecode

CODES = [0, 1, timecode.RANGE_MS - 1, 0b101010101010101010101010, 1_234_567]


def painted(code: int, width: int = 1280, height: int = 720) -> np.ndarray:
    luma = np.full((height, width), 120, dtype=np.uint8)
    timecode.paint(luma, code)
    return luma


@pytest.mark.parametrize("code", CODES)
def test_a_painted_code_is_read_back(code: int):
    assert timecode.read(painted(code)) == code


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("size", [(448, 252), (448, 336), (224, 140)])
def test_it_survives_vp8_resizing_and_jpeg(code: int, size: tuple[int, int]):
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 360, "yuv420p"
    encoder.time_base, encoder.bit_rate = Fraction(1, 10), 200_000
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0"}
    rgb = np.repeat(painted(code, 640, 360)[:, :, None], 3, axis=2)
    packets = encoder.encode(VideoFrame.from_ndarray(rgb, format="rgb24"))
    decoded = av.CodecContext.create("vp8", "r").decode(packets[0])[0].to_ndarray(format="rgb24")
    small = cv2.resize(decoded, size, interpolation=cv2.INTER_AREA)
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(small), quality=80, colorspace="RGB")
    luma = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[:, :, 0]
    assert timecode.read(luma) == code


def test_a_picture_without_one_is_unreadable():
    dice = np.random.default_rng(3)
    for level in (0, 120, 255):
        with pytest.raises(timecode.Unreadable):
            timecode.read(np.full((252, 448), level, dtype=np.uint8))
    noise = [dice.integers(0, 255, (252, 448), dtype=np.uint8) for _ in range(20)]
    readable = [picture for picture in noise if is_readable(picture)]
    assert len(readable) <= 2, "one in 256 noisy pictures may pass the check"


def is_readable(picture: NDArray[np.uint8]) -> bool:
    try:
        timecode.read(picture)
    except timecode.Unreadable:
        return False
    return True


def test_ages_are_told_across_the_end_of_the_range():
    now = time.time()
    for age in (0, 40, 5_000, -20):
        code = (int(now * 1000) - age) % timecode.RANGE_MS
        assert timecode.age_ms(code, at=now) == age
    assert timecode.age_ms(timecode.now_ms(), at=time.time()) < 100
