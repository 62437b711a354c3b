"""Token sequences of conversations about one picture, packed for training.

Everything up to the picture, and what was said about it before, is a prefix that all questions
share; each question with its answer is a branch that sees the prefix and itself. Positions are
those of Qwen2.5-VL: three axes, equal for text, (time, row, column) within the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deploy.demo_model.camera import Grid
from deploy.demo_model.questions import ALL_KINDS, Question
from deploy.demo_model.vocabulary import Vocabulary
from deploy.demo_model.wordings import SYSTEM_PROMPTS

NO_TARGET = -100
_USER = "<|im_start|>user\n"
SYSTEM_SHARES = (0.5, 0.2, 0.06, 0.06, 0.06, 0.04, 0.04, 0.04)


@dataclass(frozen=True)
class Packed:
    """One picture's prefix and branches, unpadded: T tokens."""

    tokens: np.ndarray  # (T,) int64
    positions: np.ndarray  # (3, T) int64
    branch: np.ndarray  # (T,) int64, 0 is the prefix
    target: np.ndarray  # (T,) int64, the next token where it is to be learnt
    weight: np.ndarray  # (T,) float32
    kinds: np.ndarray  # (branches,) int64, each branch's kind of question
    about: np.ndarray  # (branches, 3) bool, the shapes one must find to answer


class Packer:
    """Builds packed conversations with one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.image = vocabulary.identifier("<|image_pad|>")
        self.pad = vocabulary.identifier("<|endoftext|>")
        self._known: dict[str, list[int]] = {}

    def pack(
        self,
        questions: Sequence[Question],
        grid: Grid,
        *,
        system: str,
        history: Sequence[Question] = (),
        about_it: Sequence[Question] = (),
        question_first: bool = False,
    ) -> Packed:
        """Pack the questions.

        `history` comes before the picture; `about_it` are turns about this picture, which then
        stands in the first of them. `question_first` puts the (only) question before the picture.
        """
        opening = f"<|im_start|>system\n{system}<|im_end|>\n"
        for turn in history:
            opening += _turn(turn)
        opening += _USER + (questions[0].text if question_first else "")
        prefix = self._encode(opening + "<|vision_start|>")
        image = [self.image] * (grid.rows * grid.columns)
        told = "".join(_turn(turn) for turn in about_it).removeprefix(_USER)
        after = self._encode("<|vision_end|>" + told + (_USER if about_it else ""))
        rows = [prefix + image + after]
        answers = [0]
        questions = questions[:1] if question_first else questions
        for question in questions:
            asked = "" if question_first else question.text
            prompt = self._encode(asked) + self._encode("<|im_end|>\n<|im_start|>assistant\n")
            answer = [*self._encode_answer(question.answer), self._end]
            rows.append(prompt + answer)
            answers.append(len(answer))
        kinds = np.array([ALL_KINDS.index(question.kind) for question in questions])
        about = np.array([[n in question.about for n in range(3)] for question in questions])
        positions = _prefix_positions(len(prefix), grid, len(after))
        return _assemble(rows, answers, positions, kinds, about)

    @property
    def _end(self) -> int:
        return self.vocabulary.identifier("<|im_end|>")

    def _encode(self, text: str) -> list[int]:
        if text not in self._known:
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[text] = self.vocabulary.encode(text)
        return self._known[text]

    def _encode_answer(self, text: str) -> list[int]:
        key = "\0" + text
        if key not in self._known:
            self._known[key] = self.vocabulary.encode_answer(text)
        return self._known[key]


def sample_system(rng: np.random.Generator) -> str:
    """One of the system prompts; the template's own default when the client sends none."""
    return SYSTEM_PROMPTS[int(rng.choice(len(SYSTEM_PROMPTS), p=SYSTEM_SHARES))]


def pad_batch(packed: Sequence[Packed], pad: int) -> dict[str, np.ndarray]:
    """Stack to (B, T) arrays; padding belongs to branch -1."""
    longest = max(len(one.tokens) for one in packed)

    def padded(values: np.ndarray, fill: float) -> np.ndarray:
        gap = [(0, 0)] * (values.ndim - 1) + [(0, longest - values.shape[-1])]
        return np.pad(values, gap, constant_values=fill)

    return {
        "tokens": np.stack([padded(one.tokens, pad) for one in packed]),
        "positions": np.stack([padded(one.positions, 0) for one in packed], axis=1),
        "branch": np.stack([padded(one.branch, -1) for one in packed]),
        "target": np.stack([padded(one.target, NO_TARGET) for one in packed]),
        "weight": np.stack([padded(one.weight, 0) for one in packed]),
        "kinds": np.stack([one.kinds for one in packed]),
        "about": np.stack([one.about for one in packed]),
    }


def _turn(turn: Question) -> str:
    return f"{_USER}{turn.text}<|im_end|>\n<|im_start|>assistant\n{turn.answer}<|im_end|>\n"


def _prefix_positions(before: int, grid: Grid, after: int) -> np.ndarray:
    """(3, T): text, the picture's rows and columns, and text again."""
    text = np.tile(np.arange(before), (3, 1))
    rows, columns = np.mgrid[0 : grid.rows, 0 : grid.columns]
    picture = np.stack((np.zeros_like(rows), rows, columns)).reshape(3, -1) + before
    rest = np.tile(np.arange(after), (3, 1)) + before + max(grid.rows, grid.columns)
    return np.concatenate((text, picture, rest), axis=1)


def _assemble(
    rows: list[list[int]],
    answers: list[int],
    prefix: np.ndarray,
    kinds: np.ndarray,
    about: np.ndarray,
) -> Packed:
    tokens = np.concatenate([np.array(row, dtype=np.int64) for row in rows])
    branch = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    start = int(prefix[0, -1]) + 1
    pieces = [prefix]
    target = np.full(len(tokens), NO_TARGET, dtype=np.int64)
    weight = np.zeros(len(tokens), dtype=np.float32)
    end = len(rows[0])
    for row, length in zip(rows[1:], answers[1:], strict=True):
        pieces.append(np.tile(np.arange(start, start + len(row)), (3, 1)))
        end += len(row)
        learnt = slice(end - length - 1, end - 1)
        target[learnt] = tokens[end - length : end]
        weight[learnt] = length**-0.5  # else descriptions would drown one-word answers
    positions = np.concatenate(pieces, axis=1)
    return Packed(tokens, positions, branch, target, weight, kinds, about)
