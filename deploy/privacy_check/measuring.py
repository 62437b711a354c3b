"""The measurement: every face at every size in every camera's frame."""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from apps.frames.types import RawFrame
from deploy.privacy_check.boxes import scaled
from deploy.privacy_check.coding import coded
from deploy.privacy_check.judges import Judges, judge
from deploy.privacy_check.scenes import scenes
from deploy.privacy_check.sheets import Sheets
from deploy.privacy_check.types import Embedded, FrameSize, Photo, Pixels, Placed

BITRATES: Final[dict[FrameSize, int]] = {(640, 480): 800_000, (1280, 720): 1_500_000}
"""The cameras' frames, and bits a second."""

SMALLEST_EMBEDDED: Final = 80
"""Faces from this height on are given to the embedding, pixels."""


@dataclass
class Findings:
    """What all scenes showed; `raws` holds the first of each frame size, by its name."""

    placed: list[Placed] = field(default_factory=list)
    embedded: list[Embedded] = field(default_factory=list)
    raws: dict[str, RawFrame] = field(default_factory=dict)
    sheets: Sheets = field(default_factory=Sheets)
    scenes: int = 0
    false_boxes: int = 0

    def add(self, raw: RawFrame, placed: list[Placed], judges: Judges) -> None:
        """Judge one more scene."""
        self.raws.setdefault(f"{raw.width}x{raw.height}", raw)
        plain, safe, false = judge(raw, placed, judges.detectors)
        self.scenes += 1
        self.false_boxes += false
        self.placed += placed
        self.sheets.add_scene(self.scenes, plain, safe)
        for one in placed:
            self.sheets.add_face(one, plain, safe)
            if judges.embed is not None and one.size >= SMALLEST_EMBEDDED:
                box = scaled(one.box, one.frame, plain)
                both = judges.embed(plain, box), judges.embed(safe, box)
                self.embedded.append(Embedded(one.photo, *both))


def measure(
    photos: list[tuple[Photo, Pixels]],
    backgrounds: list[Pixels],
    *,
    sizes: Sequence[int],
    judges: Judges,
) -> Findings:
    """Judge all scenes, the same at each run; tell on standard error what is done."""
    findings, rng = Findings(), np.random.default_rng(0)
    for (frame, bitrate), size in itertools.product(BITRATES.items(), sizes):
        for scene, placed in scenes(photos, backgrounds, frame=frame, size=size, rng=rng):
            findings.add(coded(scene, bitrate=bitrate, rng=rng), placed, judges)
        print(f"{frame[0]}x{frame[1]}, faces of {size} px: done", file=sys.stderr)
    return findings
