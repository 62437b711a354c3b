"""The measurement of the privacy filters, with one photograph in place of those it fetches."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.privacy_check import photos
from scripts.measure_privacy import main

ASTRONAUT = Path(__file__).resolve().parents[2] / "pictures" / "astronaut.jpg"
FACE = {"package": "astronaut@1.0", "file": "astronaut.jpg", "box": [0.36, 0.13, 0.52, 0.36]}

NO_FACE = {**FACE, "box": [0.05, 0.7, 0.2, 0.93]}  # What is there can't be blurred as a face.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that would be fetched: one photograph, and backgrounds of one grey each."""
    (tmp_path / "faces.json").write_text(json.dumps([FACE, NO_FACE]))
    monkeypatch.setattr(photos, "_FACES", tmp_path / "faces.json")
    cache = tmp_path / "cache"
    face = cache / "npm" / "astronaut@1.0" / "package" / "astronaut.jpg"
    face.parent.mkdir(parents=True)
    shutil.copy(ASTRONAUT, face)
    for number, (package, file) in enumerate(photos._BACKGROUNDS):
        picture = cache / "npm" / package / "package" / file
        picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.full((720, 1280, 3), 40 + 30 * number, np.uint8))
    return cache


def test_a_face_counts_as_blurred_or_as_missed(cache: Path, tmp_path: Path, capsys):
    options = ["--cache", str(cache), "--no-independent", "--sizes", "90", "--runs", "2"]
    sheets, file = tmp_path / "sheets", tmp_path / "figures.json"
    assert main([*options, "--json", str(file), "--sheets", str(sheets)]) == 0
    figures = json.loads(file.read_text())
    assert json.loads(capsys.readouterr().out) == figures
    assert (figures["faces"], figures["placements"]) == (2, 4)
    sizes = ("90px 480p", "90px 720p")
    assert figures["missed"] == [f"astronaut@1.0/astronaut.jpg@0.05 {size}" for size in sizes]
    assert any(sheets.iterdir())
