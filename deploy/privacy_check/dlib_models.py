"""dlib's detectors and face embedding (https://github.com/davisking/dlib-models, CC0)."""

import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from deploy.privacy_check.boxes import close_up, hit
from deploy.privacy_check.types import Box, Embedding, Pixels

_LOCK: Final = Path(__file__).resolve().parents[1] / "requirements" / "privacy-check.txt"


def fetch(cache: Path) -> None:
    """Have dlib and its models in `cache`."""
    if (cache / "pip").exists():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    subprocess.run([*pip, "--target", str(cache / "pip"), "-r", str(_LOCK)], check=True)


class _Rectangle(Protocol):
    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...


class Dlib:
    """dlib from the cache.

    The detectors are helped: they look at the face's surroundings alone, enlarged to the size that
    suits them, so that what they don't find isn't missed for its size.
    """

    def __init__(self, cache: Path) -> None:
        """Load the models."""
        sys.path.insert(0, str(cache / "pip"))
        import dlib  # It is there only once it is fetched.

        models = cache / "pip" / "face_recognition_models" / "models"
        self._dlib = dlib
        self._hog = dlib.get_frontal_face_detector()
        self._net = dlib.cnn_face_detection_model_v1(str(models / "mmod_human_face_detector.dat"))
        self._marks = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
        self._embedding = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def hog(self, pixels: Pixels, box: Box) -> bool:
        """Say whether the HOG detector finds this face."""
        part, place = close_up(pixels, box)
        return hit(place, [_box(found) for found in self._hog(part)])

    def net(self, pixels: Pixels, box: Box) -> bool:
        """Say whether the neural detector finds this face."""
        part, place = close_up(pixels, box)
        return hit(place, [_box(found.rect) for found in self._net(part)])

    def embedding(self, pixels: Pixels, box: Box) -> Embedding:
        """Return the 128 numbers that stand for the person in `box`."""
        # dlib's landmarks were trained on square boxes below the forehead.
        left, top, right, bottom = box
        middle, side = (left + right) / 2, (right - left) * 0.55
        low = bottom - (bottom - top) * 0.42
        square = self._dlib.rectangle(
            int(middle - side), int(low - side), int(middle + side), int(low + side)
        )
        shape = self._marks(pixels, square)
        return np.array(self._embedding.compute_face_descriptor(pixels, shape))


def _box(found: _Rectangle) -> Box:
    return (found.left(), found.top(), found.right(), found.bottom())
