"""The privacy gate.

Guards: nobody else makes a `FilteredFrame`; a filter that is on but cannot run lets nothing
pass; what passes has the model's size, the right colours and cannot be changed afterwards.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from apps.frames.privacy import FilterFailed, PrivacyPolicy, apply
from apps.frames.types import FilteredFrame
from tests.unit.frames.pictures import raw_frame


def test_a_frame_passes_at_the_models_size():
    raw = raw_frame(1280, 720, colour=(20, 200, 40))
    frame = apply(raw, PrivacyPolicy(), max_edge=448)
    assert (frame.width, frame.height) == (448, 252)
    assert (frame.source_width, frame.source_height) == (1280, 720)
    assert frame.captured_at == raw.captured_at
    assert np.abs(frame.pixels.mean(axis=(0, 1)) - (20, 200, 40)).max() < 6


@pytest.mark.parametrize(
    "policy",
    [
        PrivacyPolicy(face_blur=True),
        PrivacyPolicy(nsfw=True),
        PrivacyPolicy(face_blur=True, nsfw=True),
    ],
)
def test_a_filter_that_cannot_run_lets_nothing_pass(policy):
    with pytest.raises(FilterFailed) as failure:
        apply(raw_frame(64, 48), policy, max_edge=448)
    assert failure.value.code == "filter_failed"
    assert failure.value.detail.endswith(".")


def test_nobody_else_makes_a_filtered_frame():
    pixels = np.zeros((56, 56, 3), dtype=np.uint8)
    with pytest.raises(TypeError, match=r"privacy\.apply"):
        FilteredFrame(
            pixels=pixels, captured_at=0.0, source_width=56, source_height=56, seal=object()
        )


def test_pixels_are_read_only():
    frame = apply(raw_frame(64, 48), PrivacyPolicy(), max_edge=448)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0, 0] = 1


def test_threads_may_filter_the_same_frame_at_once():
    raw = raw_frame(1280, 720, colour=(90, 10, 160))

    def mean_at(edge: int) -> float:
        frame = apply(raw, PrivacyPolicy(), max_edge=edge)
        return float(np.abs(frame.pixels.mean(axis=(0, 1)) - (90, 10, 160)).max())

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(mean_at, [224, 448, 672, 896] * 16)) < 6
