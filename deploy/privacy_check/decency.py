"""What the NSFW filter makes of decent pictures."""

import cv2
import numpy as np

from apps.frames import nsfw
from deploy.privacy_check.types import Photo, Pixels


def nsfw_scores(photos: list[tuple[Photo, Pixels]]) -> dict[str, int | dict[str, float]]:
    """Return how the classifier judges these decent pictures, each once."""
    pictures = {f"{photo.package}/{photo.file}": pixels for photo, pixels in photos}
    scores = {name: _score(pixels) for name, pixels in pictures.items()}
    highest = sorted(scores.items(), key=lambda item: -item[1])[:8]
    return {
        "pictures": len(scores),
        **{f"above {limit}": sum(s > limit for s in scores.values()) for limit in (0.2, 0.5, 0.8)},
        "highest": {name: round(score, 3) for name, score in highest},
    }


def _score(pixels: Pixels) -> float:
    small = cv2.resize(pixels, nsfw.CLASSIFIER_SIZE, interpolation=cv2.INTER_AREA)
    return nsfw.nsfw_score(np.ascontiguousarray(small))
