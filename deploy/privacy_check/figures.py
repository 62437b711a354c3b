"""What judged faces come to."""

import itertools
import statistics
from collections.abc import Iterable
from typing import Final

import numpy as np

from deploy.privacy_check.types import Embedded, Embedding, FrameSize, Placed

SAME_PERSON: Final = 0.6
"""Embeddings that are nearer to each other are of one person, by dlib's word."""


def recall(placed: list[Placed]) -> float:
    """Return the share of faces that were blurred."""
    return round(sum(one.blurred for one in placed) / len(placed), 4)


def recall_table(placed: list[Placed]) -> dict[str, dict[str, float]]:
    """Return recall for each frame and size."""
    table: dict[str, dict[str, float]] = {}
    for (frame, size), together in itertools.groupby(sorted(placed, key=_kind), key=_kind):
        group = list(together)
        table[f"{frame[0]}x{frame[1]} face {size} px"] = {
            "faces": len(group),
            "blurred": sum(one.blurred for one in group),
            "recall": recall(group),
        }
    return table


def _kind(one: Placed) -> tuple[FrameSize, int]:
    return one.frame, one.size


def found_again(placed: list[Placed], detectors: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return for each detector how many faces it found before and still finds after."""
    return {
        name: {
            "before": sum(one.before[name] for one in placed),
            "after, where blurred": sum(one.after[name] for one in placed if one.blurred),
            "after": sum(one.after[name] for one in placed),
            "of": len(placed),
        }
        for name in detectors
    }


def recognised_again(
    faces: list[Embedded], gallery: dict[str, Embedding]
) -> dict[str, int | float | dict[str, float]]:
    """Return how often the embedding picks the right person before and after the blur.

    Without a face that is large enough for it there is nothing to tell but that.
    """
    if not faces:
        return {"people": len(gallery), "faces": 0}
    return {
        "people": len(gallery),
        "faces": len(faces),
        "by chance": round(1 / len(gallery), 4),
        "before": _told([(face.photo.name, face.before) for face in faces], gallery),
        "after": _told([(face.photo.name, face.after) for face in faces], gallery),
    }


def _told(shown: list[tuple[str, Embedding]], gallery: dict[str, Embedding]) -> dict[str, float]:
    """Return how often these people, each with a name, are told apart."""
    names = list(gallery)
    people = np.stack([gallery[name] for name in names])
    right = same = 0
    own = []
    for name, embedding in shown:
        far = np.linalg.norm(people - embedding, axis=1)
        mine = names.index(name)
        right += int(np.argmin(far)) == mine
        same += bool(far[mine] < SAME_PERSON)
        own.append(float(far[mine]))
    return {
        "right person of all": round(right / len(shown), 4),
        "same person": round(same / len(shown), 4),
        "median distance": round(statistics.median(own), 3),
    }
