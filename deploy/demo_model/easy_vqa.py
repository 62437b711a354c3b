"""The public data set easy-vqa (PyPI, MIT): 64x64 pictures of one shape, with questions.

Only the train split may be used in training. The test split is read by `evaluate` alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deploy.demo_model.scenes import COLOURS, KINDS, PLACES, Scene, Shape

THRESHOLD = 36  # levels, summed over the channels, between the shape and its flat backdrop


@dataclass(frozen=True)
class Example:
    """One picture, what it shows, and the mask of its shape at the picture's size."""

    picture: np.ndarray  # uint8 RGB (64, 64, 3)
    scene: Scene
    mask: np.ndarray  # uint8 (64, 64)


@dataclass(frozen=True)
class AskedQuestion:
    """A question of the data set."""

    text: str
    answer: str
    picture: Path


def questions(data: Path, split: str) -> list[AskedQuestion]:
    """All questions of a split; `data` is the package's data folder."""
    folder = data / split
    rows = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    return [
        AskedQuestion(text, answer, folder / "images" / f"{number}.png")
        for text, answer, number in rows
    ]


def train_examples(data: Path) -> list[Example]:
    """The train split's pictures whose shape and colour both follow from its questions."""
    kinds: dict[Path, str] = {}
    colours: dict[Path, str] = {}
    for question in questions(data, "train"):
        if question.answer in KINDS:
            kinds[question.picture] = question.answer
        elif question.answer in COLOURS:
            colours[question.picture] = question.answer
        elif question.answer == "yes" and " no" not in question.text:  # a claim that holds
            words = question.text.rstrip("?").split()
            for known, options in ((kinds, KINDS), (colours, COLOURS)):
                for word in set(words).intersection(options):
                    known[question.picture] = word
    return [
        _example(picture, kinds[picture], colours[picture])
        for picture in sorted(kinds.keys() & colours.keys())
    ]


def _example(path: Path, kind: str, colour: str) -> Example:
    picture = np.asarray(cv2.imread(str(path)))[:, :, ::-1].copy()
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int32)
    away = np.abs(picture.astype(np.int32) - np.median(corners, axis=0)).sum(axis=2)
    mask = (away > THRESHOLD).astype(np.uint8) * 255
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    x, y = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
    extent = max(np.ptp(columns), np.ptp(rows)) + 1
    place = next((p for p, (low, high) in PLACES.items() if low <= x / width <= high), "between")
    shape = Shape(kind, colour, place, float(x / width), float(y / height), extent / width)
    return Example(picture, Scene((shape,)), mask)
