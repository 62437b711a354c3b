"""Has the scene changed? Noise and exposure do not count, a small thing that moves does.

The threshold tried here is the setting's default.
"""

import time

import numpy as np
import pytest
from av import VideoFrame

from apps.frames.scene import COLUMNS, ROWS, difference, thumbnail
from apps.frames.types import RawFrame
from qwencam_site.settings import LIVE_CHANGE_THRESHOLD
from tests.scenes import picture

RNG = np.random.default_rng(3)


def frame_of(pixels: np.ndarray, *, format: str = "yuv420p") -> RawFrame:
    image = VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
    return RawFrame(image=image.reformat(format=format), captured_at=time.time())


def noisy(pixels: np.ndarray, *, brighter: int = 0, noise: int = 8) -> np.ndarray:
    grain = RNG.integers(-noise, noise + 1, pixels.shape)
    return np.clip(pixels.astype(int) + grain + brighter, 0, 255)


def change(before: np.ndarray, now: np.ndarray) -> float:
    one, two = thumbnail(frame_of(before)), thumbnail(frame_of(now))
    assert one is not None
    assert two is not None
    return difference(one, two)


def with_dot(x: int, *, size: int) -> np.ndarray:
    """A wall with a dark square of ``size`` pixels in 640x480."""
    pixels = np.full((480, 640, 3), 170)
    pixels[200 : 200 + size, x : x + size] = 40
    return pixels


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 640), (322, 242)])
def test_a_thumbnail_is_tiny_and_grey_whatever_the_size(size):
    width, height = size
    grey = thumbnail(frame_of(np.full((height, width, 3), 128)))
    assert grey is not None
    assert grey.shape == (ROWS, COLUMNS)
    assert np.ptp(grey) < 1


def test_it_shows_what_is_where():
    pixels = np.zeros((480, 640, 3))
    pixels[:240, 320:] = 255
    grey = thumbnail(frame_of(pixels))
    assert grey is not None
    assert grey[: ROWS // 2, COLUMNS // 2 :].min() > 150
    assert grey[ROWS // 2 + 1 :].max() < 60


def test_a_format_without_luma_is_never_taken_for_unchanged():
    assert thumbnail(frame_of(np.zeros((480, 640, 3)), format="rgb24")) is None


@pytest.mark.parametrize("brighter", [0, 4, -4])
def test_noise_and_exposure_are_no_change(brighter):
    scene = picture("red circle middle")
    again = noisy(scene, brighter=brighter)
    assert change(noisy(scene), again) < LIVE_CHANGE_THRESHOLD / 2


def test_another_scene_is_a_change():
    red, blue = picture("red circle middle"), picture("blue star left")
    assert change(noisy(red), noisy(blue)) > 3 * LIVE_CHANGE_THRESHOLD


@pytest.mark.parametrize("size", [30, 40, 80])
def test_a_small_thing_that_moves_is_a_change(size):
    """30 pixels of 640x480 are 0.3 % of the picture."""
    assert change(noisy(with_dot(200, size=size)), noisy(with_dot(300, size=size))) > (
        LIVE_CHANGE_THRESHOLD
    )


def test_the_lights_going_out_is_a_change():
    scene = picture("red circle middle")
    assert change(scene, scene // 3) > LIVE_CHANGE_THRESHOLD
