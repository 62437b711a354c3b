"""Pictures for people to look at."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from deploy.privacy_check.boxes import close_up, scaled
from deploy.privacy_check.types import Pixels, Placed

Cell = tuple[str, Pixels]
"""A picture and its name."""

MOST_SCENE_CELLS: Final = 24
EVERY_NTH_SCENE: Final = 4


@dataclass
class Sheets:
    """Faces that were missed, faces that were found again, and samples of scenes."""

    missed: list[Cell] = field(default_factory=list)
    found_again: list[Cell] = field(default_factory=list)
    scenes: list[Cell] = field(default_factory=list)

    def add_scene(self, number: int, plain: Pixels, safe: Pixels) -> None:
        """Keep some of the scenes, counted from 1."""
        if len(self.scenes) < MOST_SCENE_CELLS and number % EVERY_NTH_SCENE == 0:
            self.scenes += [("before", plain), ("after", safe)]

    def add_face(self, one: Placed, plain: Pixels, safe: Pixels) -> None:
        """Keep a judged face, unless it was blurred and nobody found it again."""
        by = "+".join(name for name, found in one.after.items() if found)
        if not one.blurred:
            self.missed += _close_ups(one, plain, safe, name=one.name)
        elif by:
            self.found_again += _close_ups(one, plain, safe, name=by)

    def write(self, folder: Path) -> None:
        """Write each sheet that has a picture."""
        _write(self.missed, folder / "missed.png", across=8, size=150)
        _write(self.found_again, folder / "found_again.png", across=8, size=150)
        _write(self.scenes, folder / "scenes.png", across=4, size=448)


def _close_ups(one: Placed, plain: Pixels, safe: Pixels, *, name: str) -> list[Cell]:
    """Return a face before and after; `name` says what it is after."""
    box = scaled(one.box, one.frame, plain)
    return [(one.name, close_up(plain, box)[0]), (name, close_up(safe, box)[0])]


def _write(cells: list[Cell], file: Path, *, across: int, size: int) -> None:
    """Write pictures with their names as one image."""
    if not cells:
        return
    tiles = [_tile(name, image, size=size) for name, image in cells]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    rows = [np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)]
    cv2.imwrite(str(file), np.vstack(rows)[:, :, ::-1])


def _tile(name: str, image: Pixels, *, size: int) -> Pixels:
    scale = size / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((size + 14, size + 4, 3), 255, dtype=np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    cv2.putText(tile, name[-34:], (0, size + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0))
    return tile
