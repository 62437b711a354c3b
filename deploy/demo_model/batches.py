"""Endless training batches, made in processes of their own.

A batch holds pictures of one size. Its content follows from the seed, the worker's number and how
many batches that worker made before.
"""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from queue import Full

import cv2
import numpy as np

from deploy.demo_model.camera import EASY_GRID, GRIDS, Grid, Sensor
from deploy.demo_model.conversations import Packer, pad_batch, sample_system
from deploy.demo_model.easy_vqa import Example, train_examples
from deploy.demo_model.labels import label, scene_masks, stack
from deploy.demo_model.questions import (
    MOST_TURNS,
    Question,
    ask,
    ask_easy_vqa,
    ask_on,
    earlier_turns,
)
from deploy.demo_model.scenes import Scene, draw, sample_scene
from deploy.demo_model.vocabulary import Vocabulary

GRID_SHARES = (0.42, 0.28, 0.08, 0.10, 0.12)
DRAWING_SCALES = (0.55, 0.7, 1.0)  # of the frame; the smaller ones are cheaper to make
HISTORY_SHARE = 0.5  # of batches
QUESTION_FIRST_SHARE = 0.08  # of batches
STAY_SHARE = 0.4  # of the others: turns about the same picture come before the question
OF_IT = 3  # of the questions after them speak of "it", where one shape was spoken of
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Diet:
    """What batches are made of."""

    size: int = 32
    questions: int = 8
    pictures: bool = True
    conversations: bool = True
    easy_share: float = 0.12
    unreadable_share: float = 0.09
    clean_share: float = 0.1


class BatchMaker:
    """Makes one batch after another from one random generator."""

    def __init__(
        self, seed: tuple[int, ...], diet: Diet, vocabulary: Vocabulary, easy: Path | None
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.diet = diet
        self.packer = Packer(vocabulary)
        self.sensor = Sensor(self.rng)
        self.easy: list[Example] = train_examples(easy) if easy else []

    def batch(self) -> Batch:
        """The next batch: `rows` and `columns`, and what the diet asks for."""
        easy = bool(self.easy) and self.rng.random() < self.diet.easy_share
        grid = EASY_GRID if easy else GRIDS[int(self.rng.choice(len(GRIDS), p=GRID_SHARES))]
        if easy:
            return self._easy_batch(grid)
        scenes = [self._scene(grid) for _ in range(self.diet.size)]
        pictures = [self._film(scene, grid) for scene in scenes] if self.diet.pictures else []
        masks = [scene_masks(scene, grid) for scene in scenes]
        return self._assemble(scenes, masks, pictures, grid)

    def _scene(self, grid: Grid) -> Scene:
        width, height = grid.frame
        return sample_scene(
            self.rng,
            width=width,
            height=height,
            clean=bool(self.rng.random() < self.diet.clean_share),
            unreadable_share=self.diet.unreadable_share,
        )

    def _film(self, scene: Scene, grid: Grid) -> np.ndarray:
        scale = DRAWING_SCALES[int(self.rng.choice(3, p=(0.4, 0.4, 0.2)))]
        width, height = (round(edge * scale) for edge in grid.frame)
        return self.sensor.capture(draw(scene, width, height), grid)

    def _easy_batch(self, grid: Grid) -> Batch:
        picked = self.rng.integers(len(self.easy), size=self.diet.size)
        scenes: list[Scene] = []
        masks: list[np.ndarray] = []
        pictures: list[np.ndarray] = []
        for index in picked:
            example = self.easy[int(index)]
            flip = bool(self.rng.random() < 0.5)
            scenes.append(_mirrored(example.scene) if flip else example.scene)
            step = -1 if flip else 1
            for kept, source in ((pictures, example.picture), (masks, example.mask)):
                flipped = np.ascontiguousarray(source[:, ::step])
                size = (grid.width, grid.height)
                kept.append(cv2.resize(flipped, size, interpolation=cv2.INTER_CUBIC))
        return self._assemble(scenes, [[mask] for mask in masks], pictures, grid, easy=True)

    def _assemble(
        self,
        scenes: list[Scene],
        masks: list[list[np.ndarray]],
        pictures: list[np.ndarray],
        grid: Grid,
        *,
        easy: bool = False,
    ) -> Batch:
        batch: Batch = {"rows": np.array(grid.rows), "columns": np.array(grid.columns)}
        if self.diet.pictures:
            batch["pictures"] = np.stack(pictures)
        pairs = zip(scenes, masks, strict=True)
        batch |= stack([label(scene, shown, grid) for scene, shown in pairs])
        if self.diet.conversations:
            batch |= self._conversations(scenes, grid, easy=easy)
        return batch

    def _conversations(self, scenes: list[Scene], grid: Grid, *, easy: bool) -> Batch:
        rng = self.rng
        first = bool(rng.random() < QUESTION_FIRST_SHARE)
        # For whole batches, so that others need no padding up to their length.
        with_history = bool(rng.random() < HISTORY_SHARE)
        staying = 0
        if not first and rng.random() < STAY_SHARE:
            staying = int(rng.integers(1, MOST_TURNS + 1))
        packed = []
        for index, scene in enumerate(scenes):
            in_its_forms = easy and rng.random() < 0.7
            asked = (ask_easy_vqa if in_its_forms else ask)(scene, rng, count=self.diet.questions)
            history: list[Question] = []
            if with_history:
                history = earlier_turns(scenes[:index] + scenes[index + 1 :], rng)
            about_it = ask(scene, rng, count=staying)
            if about_it:
                further = [ask_on(scene, about_it[-1], rng) for _ in range(OF_IT)]
                asked = [new or old for new, old in zip_longest(further, asked)]
            packed.append(
                self.packer.pack(
                    asked,
                    grid,
                    system=sample_system(rng),
                    history=history,
                    about_it=about_it,
                    question_first=first,
                )
            )
        return pad_batch(packed, self.packer.pad)


def _mirrored(scene: Scene) -> Scene:
    shape = scene.shapes[0]
    places = {"left": "right", "right": "left"}
    place = places.get(shape.place, shape.place)
    return Scene((type(shape)(shape.kind, shape.colour, place, 1 - shape.x, shape.y, shape.size),))


def _work(
    queue: mp.Queue[Batch], seed: tuple[int, ...], diet: Diet, folder: Path, easy: Path | None
) -> None:
    cv2.setNumThreads(1)
    # A batch that nobody will fetch must not keep the worker of a killed trainer alive.
    queue.cancel_join_thread()
    maker = BatchMaker(seed, diet, Vocabulary.read(folder), easy)
    parent = mp.parent_process()
    while parent is None or parent.is_alive():
        batch = maker.batch()
        while parent is None or parent.is_alive():
            try:
                queue.put(batch, timeout=5)
                break
            except Full:
                continue


class Kitchen:
    """Owns the worker processes; iterate for batches, close when done."""

    def __init__(
        self,
        seed: int,
        diet: Diet,
        vocabulary_folder: Path,
        *,
        easy: Path | None = None,
        workers: int = 1,
    ) -> None:
        context = mp.get_context("spawn")
        self._queue: mp.Queue[Batch] = context.Queue(maxsize=6)
        self._workers = [
            context.Process(
                target=_work,
                args=(self._queue, (seed, number), diet, vocabulary_folder, easy),
                daemon=True,
            )
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self._queue.get(timeout=300)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.terminate()
            worker.join()
