"""Train the demo checkpoint: eyes and language apart, then together.

    python -m deploy.demo_model.train --work W vocabulary
    python -m deploy.demo_model.train --work W vision --minutes 25 &
    python -m deploy.demo_model.train --work W language --minutes 20
    python -m deploy.demo_model.train --work W joint --minutes 20 --out deploy/demo_model/checkpoint
    python -m deploy.demo_model.train --work W talk --minutes 20 --out deploy/demo_model/checkpoint

Every phase begins from its own earlier result in the work folder if there is one, so running it
again continues it; ``--begin-with`` lets it begin from an exported checkpoint instead. Runs on a
GPU if there is one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from deploy.demo_model.architecture import Shape
from deploy.demo_model.batches import Batch, BatchMaker, Diet, Kitchen
from deploy.demo_model.export import load_weights, write_checkpoint
from deploy.demo_model.lessons import (
    Pupil,
    language_loss,
    right_answers,
    right_tokens,
    vision_loss,
)
from deploy.demo_model.optimiser import Optimiser, schedule
from deploy.demo_model.questions import ask
from deploy.demo_model.scenes import sample_scene
from deploy.demo_model.vocabulary import Vocabulary, train_tokenizer
from deploy.demo_model.wordings import SYSTEM_PROMPTS

VOCABULARY_SIZE = 700
HELD_OUT_SEED = 9_000_000
HELD_OUT_BATCHES = 16
PHASES = ("vision", "language", "joint", "talk")
Scores = Mapping[str, tuple[int, int]]
Lesson = Callable[[Pupil, dict[str, Tensor], float], Tensor]


def make_vocabulary(folder: Path, seed: int) -> None:
    """Train the tokenizer on questions and answers about random scenes."""
    rng = np.random.default_rng(seed)
    asked = [
        question
        for _ in range(6000)
        for question in ask(sample_scene(rng, unreadable_share=0.05), rng)
    ]
    questions = [question.text for question in asked]
    frequent = (*SYSTEM_PROMPTS, "system\n", "user\n", "assistant\n")
    answers = [question.answer for question in asked]
    tokenizer = train_tokenizer([*questions, *frequent * 40], answers, size=VOCABULARY_SIZE)
    Vocabulary.of(tokenizer).write(folder)


def to_tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """A batch's arrays on the device."""
    return {name: torch.as_tensor(value).to(device) for name, value in batch.items()}


def vision_lesson(pupil: Pupil, batch: dict[str, Tensor], progress: float) -> Tensor:
    """Pixels to codes."""
    del progress
    tokens, patches = pupil.see(batch)
    return vision_loss(pupil, batch, tokens, patches)


def language_lesson(pupil: Pupil, batch: dict[str, Tensor], progress: float) -> Tensor:
    """Codes to answers."""
    tokens = pupil.imagine(batch)
    return language_loss(pupil, batch, tokens, column_weight=0.3)


def joint_lesson(pupil: Pupil, batch: dict[str, Tensor], progress: float) -> Tensor:
    """Pixels to answers; the labels go on teaching the eyes, less and less."""
    tokens, patches = pupil.see(batch)
    spoken = language_loss(pupil, batch, tokens, column_weight=0.3 * (1 - progress))
    seen = vision_loss(pupil, batch, tokens, patches)
    return spoken + (0.7 - 0.5 * progress) * seen


def talk_lesson(pupil: Pupil, batch: dict[str, Tensor], progress: float) -> Tensor:
    """Pixels to answers with eyes that are done: what is said before must not mislead."""
    del progress
    with torch.no_grad():
        tokens = pupil.see(batch)[0]
    return language_loss(pupil, batch, tokens, column_weight=0.1)


LESSONS: dict[str, Lesson] = {
    "vision": vision_lesson,
    "language": language_lesson,
    "joint": joint_lesson,
    "talk": talk_lesson,
}


@torch.no_grad()
def examine(pupil: Pupil, phase: str, held_out: Iterable[Batch], device: torch.device) -> Scores:
    """Right and asked, per kind, on held-out batches."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for raw in held_out:
        batch = to_tensors(raw, device)
        tokens = pupil.imagine(batch) if phase == "language" else pupil.see(batch)[0]
        scores = {} if phase == "language" else dict(right_tokens(pupil, batch, tokens))
        if phase != "vision":
            spoken = right_answers(pupil.answer(batch, tokens)[0], batch)
            scores |= {f"says {kind}": score for kind, score in spoken.items()}
        for kind, (right, asked) in scores.items():
            totals[kind][0] += right
            totals[kind][1] += asked
    return {kind: (right, asked) for kind, (right, asked) in totals.items()}


class Training:
    """One phase: its batches, its optimiser, its clock and its log."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.phase: str = arguments.phase
        self.work: Path = arguments.work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(arguments.seed)
        self.vocabulary = Vocabulary.read(self.work)
        self.pupil = Pupil(Shape(vocabulary=self.vocabulary.size)).to(self.device)
        self.pupil.align(self.vocabulary)
        self._load()
        diet = Diet(
            size=arguments.batch,
            pictures=self.phase != "language",
            conversations=self.phase != "vision",
        )
        self.held_out = self._held_out(diet)
        self.kitchen = Kitchen(
            arguments.seed + 1000 * PHASES.index(self.phase),
            diet,
            self.work,
            easy=arguments.easy_vqa,
            workers=arguments.workers,
        )
        self.optimiser = Optimiser(
            list(self.pupil.named_parameters()),
            muon_rate=arguments.muon_rate,
            adam_rate=arguments.adam_rate,
        )

    def run(self) -> None:
        """Train for the given minutes, examine now and then, save at each examination."""
        limit = 60 * self.arguments.minutes
        began = examined = time.monotonic()
        recent: list[float] = []
        for raw in self.kitchen:
            progress = (time.monotonic() - began) / limit
            if progress >= 1:
                break
            batch = to_tensors(raw, self.device)
            loss = LESSONS[self.phase](self.pupil, batch, progress)
            loss.backward()
            self.optimiser.step(schedule(progress, cool=self.arguments.cool))
            recent.append(float(loss.detach()))
            if time.monotonic() - examined > 60 * self.arguments.examine_every:
                self._report(time.monotonic() - began, recent)
                recent.clear()
                examined = time.monotonic()
        self.kitchen.close()
        self._report(time.monotonic() - began, recent)

    def _held_out(self, diet: Diet) -> list[Batch]:
        seed = (HELD_OUT_SEED,)
        maker = BatchMaker(seed, diet, self.vocabulary, self.arguments.easy_vqa)
        return [maker.batch() for _ in range(HELD_OUT_BATCHES)]

    def _load(self) -> None:
        """Begin from this phase's earlier result, or from the phases before it."""
        own = self.work / f"{self.phase}.pt"
        begin_with: Path | None = self.arguments.begin_with
        if begin_with is not None and not own.exists():
            load_weights(self.pupil.network, load_file(begin_with / "model.safetensors"))
            return
        sources = [own]
        if self.phase == "joint" and not own.exists():
            sources = [self.work / "vision.pt", self.work / "language.pt"]
        if self.phase == "talk" and not own.exists():
            sources = [self.work / "joint.pt"]
        for source in sources:
            if source.exists():
                state = torch.load(source, map_location=self.device, weights_only=True)
                self.pupil.load_state_dict(_part(state, source.stem), strict=False)

    def _report(self, seconds: float, recent: list[float]) -> None:
        current = {name: value.detach().clone() for name, value in self.optimiser.named}
        self.pupil.load_state_dict(self.optimiser.averaged, strict=False)
        scores = examine(self.pupil, self.phase, self.held_out, self.device)
        torch.save(self.optimiser.averaged, self.work / f"{self.phase}.pt")
        if self.arguments.out is not None:
            write_checkpoint(self.pupil.network, self.vocabulary, self.arguments.out)
        self.pupil.load_state_dict(current, strict=False)
        line = {
            "minutes": round(seconds / 60, 1),
            "steps": self.optimiser.steps,
            "loss": round(sum(recent) / max(len(recent), 1), 3),
            **{kind: round(100 * right / asked, 1) for kind, (right, asked) in scores.items()},
        }
        print(json.dumps(line), flush=True)


def _part(state: dict[str, Tensor], phase: str) -> dict[str, Tensor]:
    """The parameters that a phase taught."""
    if phase in ("joint", "talk"):
        return state
    eyes = ("network.visual.", "heads.norm", "heads.outline", "heads.offset")
    wanted = phase == "vision"
    return {name: value for name, value in state.items() if name.startswith(eyes) == wanted}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("phase", choices=("vocabulary", *PHASES))
    parser.add_argument("--work", type=Path, required=True, help="folder for the phases' results")
    parser.add_argument("--out", type=Path, help="write a checkpoint here at every examination")
    parser.add_argument("--begin-with", type=Path, help="folder of an exported checkpoint")
    parser.add_argument("--easy-vqa", type=Path, help="data folder of the package easy-vqa")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=32, help="pictures per step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument("--muon-rate", type=float, default=0.012)
    parser.add_argument("--adam-rate", type=float, default=2e-3)
    parser.add_argument("--cool", type=float, default=0.45, help="last share of time, slowing")
    parser.add_argument("--examine-every", type=float, default=2, help="minutes")
    return parser.parse_args()


def main() -> None:
    """Run one phase."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.phase == "vocabulary":
        make_vocabulary(arguments.work, arguments.seed)
        return
    Training(arguments).run()


if __name__ == "__main__":
    main()
