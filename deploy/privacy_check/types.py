"""What is measured: faces in photographs, and where they are placed in scenes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

COVERED: Final = 0.8
"""Share of a face's box that must be blurred for the face to count as blurred."""

Pixels = NDArray[np.uint8]
"""RGB of shape (height, width, 3)."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

FrameSize = tuple[int, int]
"""A camera's width and height in pixels."""

Embedding = NDArray[np.float64]
"""The 128 numbers that stand for a person."""


@dataclass(frozen=True)
class Photo:
    """One face in one photograph; `box` is in fractions of the picture."""

    package: str
    file: str
    box: Box

    @property
    def name(self) -> str:
        """Say which it is, for people."""
        return f"{self.package}/{Path(self.file).name}@{self.box[0]:.2f}"


@dataclass
class Placed:
    """A photograph's face in a scene, and what was found out about it.

    Attributes:
        frame, size: the camera's size, and the face's height, in pixels.
        box: where the face is, in camera pixels.
        covered: share of the box that the blur covers.
        before, after: for each detector whether it finds the face without and with face blur.
    """

    photo: Photo
    frame: FrameSize
    size: int
    box: Box
    covered: float = 0.0
    before: dict[str, bool] = field(default_factory=dict)
    after: dict[str, bool] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Say which it is, for people."""
        return f"{self.photo.name} {self.size}px {self.frame[1]}p"

    @property
    def blurred(self) -> bool:
        """Say whether enough of the face is covered."""
        return self.covered >= COVERED


@dataclass(frozen=True, eq=False)
class Embedded:
    """A photograph's face as the embedding sees it without and with face blur."""

    photo: Photo
    before: Embedding
    after: Embedding
