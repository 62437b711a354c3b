"""What the filters leave of a scene's faces, by everyone who looks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from apps.frames import blur, faces, privacy
from apps.frames.privacy import PrivacyPolicy
from apps.frames.types import RawFrame
from deploy.privacy_check.boxes import hit, of_face, overlap, scaled
from deploy.privacy_check.dlib_models import Dlib
from deploy.privacy_check.types import Box, Embedding, FrameSize, Pixels, Placed

MAX_EDGE: Final = 448
"""The platform's own, pixels."""

Detector = Callable[[Pixels, Box], bool]
"""Says whether a face is found in the picture at that place, or near it."""


def centerface(pixels: Pixels, box: Box) -> bool:
    """Say whether the platform's own detector finds this face in the whole picture."""
    height, width = pixels.shape[:2]
    size = faces.detector_size(width, height)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    found = faces.find_faces(np.asarray(small, dtype=np.uint8))
    return hit(box, [of_face(face, width=width, height=height) for face in found])


@dataclass(frozen=True)
class Judges:
    """Who looks for faces, by name, and who recognises people, if anybody does."""

    detectors: dict[str, Detector]
    embed: Callable[[Pixels, Box], Embedding] | None


def judges_with(dlib: Dlib | None) -> Judges:
    """Return the platform's own detector and, with dlib, those that are independent of it."""
    if dlib is None:
        return Judges({"CenterFace": centerface}, None)
    return Judges(
        {"CenterFace": centerface, "dlib HOG": dlib.hog, "dlib neural": dlib.net}, dlib.embedding
    )


def judge(
    raw: RawFrame, placed: list[Placed], detectors: dict[str, Detector]
) -> tuple[Pixels, Pixels, int]:
    """Judge one scene's faces; return the picture before and after, and the false boxes."""
    frame = (raw.width, raw.height)
    plain = privacy.apply(raw, PrivacyPolicy(), max_edge=MAX_EDGE).pixels
    safe = privacy.apply(raw, PrivacyPolicy(face_blur=True), max_edge=MAX_EDGE).pixels
    found = privacy.faces_of(raw)
    for one in placed:
        one.covered = coverage(one.box, frame, found)
        box = scaled(one.box, frame, plain)
        one.before = {name: detect(plain, box) for name, detect in detectors.items()}
        one.after = {name: detect(safe, box) for name, detect in detectors.items()}
    real = [one.box for one in placed]
    own = [of_face(face, width=raw.width, height=raw.height) for face in found]
    false = sum(not any(overlap(box, face) > 0.1 for face in real) for box in own)
    return plain, safe, false


def coverage(box: Box, frame: FrameSize, found: list[faces.Face]) -> float:
    """Return the share of a face's box that the blur covers."""
    mask = np.zeros((frame[1], frame[0]), dtype=bool)
    for face in found:
        rows, columns = blur.blurred_part(face, height=frame[1], width=frame[0])
        mask[rows, columns] = True
    left, top, right, bottom = (round(edge) for edge in box)
    return float(mask[max(0, top) : bottom, max(0, left) : right].mean())
