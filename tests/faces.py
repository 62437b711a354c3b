"""A face for cameras in tests: NASA's portrait of Eileen Collins (`pictures/README.md`)."""

from pathlib import Path

import cv2
import numpy as np

from apps.frames.faces import Face, detector_size, find_faces

_PORTRAIT = Path(__file__).parent / "pictures" / "astronaut.jpg"
_TOP, _BOTTOM = 0.15, 0.61
"""Where the face begins and ends, as fractions of the portrait's height."""


def face_picture(
    width: int = 640, height: int = 480, *, size: int = 120, left: float = 0.4, top: float = 0.3
) -> np.ndarray:
    """Return uint8 RGB (height, width, 3): a grey room with the portrait at left, top (fractions),
    the face ``size`` pixels high."""
    portrait = cv2.imread(str(_PORTRAIT))[:, :, ::-1]
    scale = size / ((_BOTTOM - _TOP) * portrait.shape[0])
    person = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    room = np.full((height, width, 3), (140, 150, 160), dtype=np.uint8)
    x, y = round(left * width), round(top * height)
    part = room[y : y + person.shape[0], x : x + person.shape[1]]
    part[:] = person[: part.shape[0], : part.shape[1]]
    return room


def faces_in(picture: np.ndarray) -> list[Face]:
    """Return the faces that the detector finds in uint8 RGB (height, width, 3)."""
    size = detector_size(picture.shape[1], picture.shape[0])
    return find_faces(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))


def faces_in_jpeg(jpeg: bytes) -> list[Face]:
    """Return the faces that the detector finds in a JPEG."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return faces_in(np.ascontiguousarray(picture[:, :, ::-1]))


def meet(one: Face, other: Face) -> bool:
    """Say whether two boxes have anything in common."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 0 and down > 0
