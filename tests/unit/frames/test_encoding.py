"""A frame's size for the model and its JPEG.

Guards: the model's own resize stays the identity (multiples of 28, at least 56x56 pixels), the
longest edge stays within its limit, and only a filtered frame is ever encoded.
"""

import io

import numpy as np
import pytest
from PIL import Image

from apps.frames.encoding import PATCH, encode, model_size
from apps.frames.privacy import PrivacyPolicy, apply
from tests.unit.frames.pictures import raw_frame


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((640, 480), (448, 336)),
        ((480, 640), (336, 448)),
        ((1280, 720), (448, 252)),
        ((1920, 1080), (448, 252)),
        ((320, 240), (308, 252)),
        ((64, 48), (56, 56)),
        ((1920, 16), (448, 56)),
        ((1, 1), (56, 56)),
    ],
)
def test_sizes_are_multiples_of_a_patch(source, expected):
    assert model_size(*source, max_edge=448) == expected


def test_longer_edge_stays_within_any_limit():
    for max_edge in range(56, 1300, 17):
        for width, height in ((1920, 1080), (700, 699), (333, 1000)):
            size = model_size(width, height, max_edge=max_edge)
            assert max(size) <= max_edge
            assert all(edge % PATCH == 0 and edge >= 56 for edge in size)


@pytest.mark.parametrize(("width", "height", "max_edge"), [(0, 480, 448), (640, -1, 448)])
def test_a_frame_without_content_is_refused(width, height, max_edge):
    with pytest.raises(ValueError, match="no content"):
        model_size(width, height, max_edge=max_edge)


def test_too_small_a_limit_is_refused():
    with pytest.raises(ValueError, match="max_edge is 55"):
        model_size(640, 480, max_edge=55)


def test_jpeg_shows_the_frame():
    frame = apply(raw_frame(640, 480, colour=(200, 30, 30)), PrivacyPolicy(), max_edge=448)
    encoded = encode(frame, quality=80)
    picture = Image.open(io.BytesIO(encoded.jpeg))
    assert picture.format == "JPEG"
    assert picture.size == (encoded.width, encoded.height) == (448, 336)
    assert np.abs(np.asarray(picture).mean(axis=(0, 1)) - (200, 30, 30)).max() < 8
    assert encoded.captured_at == frame.captured_at


def test_every_encoding_has_a_random_name():
    frame = apply(raw_frame(64, 48), PrivacyPolicy(), max_edge=448)
    names = {encode(frame, quality=80).uuid for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) == 32 for name in names)


def test_raw_frames_cannot_be_encoded():
    with pytest.raises(TypeError):
        encode(raw_frame(64, 48), quality=80)  # type: ignore[arg-type]
