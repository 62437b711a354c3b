"""The messages of one question: instructions, the last turns, the frame, the question.

The order serves the model server's prefix cache: what stays the same from question to question
comes first. The image precedes the question and carries its frame's uuid, so that a second
question on the same frame finds it encoded (vLLM, "Cached Inputs" of multimodal inputs).

Sizes are counted without a tokenizer, in upper bounds. A byte-level BPE starts from single bytes
and only ever merges (Wang et al. 2019, "Neural Machine Translation with Byte-Level Subwords"),
so a text has at most as many tokens as UTF-8 bytes. An image has one token for each 28 x 28
pixels and one at each end (Qwen2.5-VL).
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from apps.contract import ErrorCode, Refusal

IMAGE_CELL = 28
IMAGE_MARKS = 2
MESSAGE_TOKENS = 8
"""Bound of what the chat template adds to a message: two marks, the role, line breaks."""


class Frame(Protocol):
    """A picture for the model: JPEG bytes, size in pixels, a random name for caches."""

    @property
    def jpeg(self) -> bytes: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def uuid(self) -> str: ...


@dataclass(frozen=True)
class Turn:
    """One question of the past, its answer, and the name of the frame it was about."""

    question: str
    answer: str
    frame: str = ""


@dataclass(frozen=True, kw_only=True)
class PromptBudget:
    """The model's context and what of it is kept free for the answer, both in tokens."""

    context_tokens: int
    response_tokens: int

    @property
    def prompt_tokens(self) -> int:
        """What a prompt may take."""
        return self.context_tokens - self.response_tokens


def build_messages(
    question: str,
    *,
    frame: Frame,
    system_prompt: str,
    history: Sequence[Turn],
    budget: PromptBudget,
    frame_name: str = "",
) -> list[dict[str, Any]]:
    """Chat messages in OpenAI's form; the oldest turns are left out until all fits.

    The frame stands before the last turns that were about it, if any: so a further question on a
    frame begins as the one before it did, and finds that in the prefix cache.

    `frame_name` is what the turns call this frame by.

    Raises:
        Refusal: the prompt does not fit even without history: question_too_long, or model_error
            when no question at all would fit.
    """
    question = _plain(question)
    turns = [Turn(_plain(turn.question), _plain(turn.answer), turn.frame) for turn in history]
    free = _tokens_left(question, frame=frame, system_prompt=system_prompt, budget=budget)
    turns = _newest_that_fit(turns, tokens=free)
    place = _first_about(frame_name, turns)
    image = _image_part(frame)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system_prompt}]
    for number, turn in enumerate([*turns, Turn(question, "")]):
        text = turn.question
        content = [image, {"type": "text", "text": text}] if number == place else text
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": turn.answer})
    return messages[:-1]


def _first_about(frame_name: str, turns: Sequence[Turn]) -> int:
    """The index of the first of the last turns that were all about this frame; the end if none."""
    place = len(turns)
    while place and frame_name and turns[place - 1].frame == frame_name:
        place -= 1
    return place


def text_tokens(text: str) -> int:
    """At most this many tokens."""
    return len(text.encode("utf-8", "surrogatepass"))


def image_tokens(width: int, height: int) -> int:
    """Tokens of an image of that many pixels."""
    return ceil(width / IMAGE_CELL) * ceil(height / IMAGE_CELL) + IMAGE_MARKS


def _tokens_left(question: str, *, frame: Frame, system_prompt: str, budget: PromptBudget) -> int:
    """What is left for history; raises a `Refusal` when it is less than nothing."""
    fixed = text_tokens(system_prompt) + image_tokens(frame.width, frame.height)
    left = budget.prompt_tokens - fixed - 3 * MESSAGE_TOKENS  # system, user, start of the answer
    if left <= 0:
        raise Refusal(
            ErrorCode.MODEL_ERROR,
            "The picture leaves no room for a question in the model's context.",
        )
    left -= text_tokens(question)
    if left < 0:
        raise Refusal(ErrorCode.QUESTION_TOO_LONG, "The question is too long for the model.")
    return left


def _newest_that_fit(turns: Sequence[Turn], *, tokens: int) -> list[Turn]:
    kept: list[Turn] = []
    for turn in reversed(turns):
        tokens -= text_tokens(turn.question) + text_tokens(turn.answer) + 2 * MESSAGE_TOKENS
        if tokens < 0:
            break
        kept.append(turn)
    return kept[::-1]


def _image_part(frame: Frame) -> dict[str, Any]:
    url = f"data:image/jpeg;base64,{b64encode(frame.jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}, "uuid": frame.uuid}


def _plain(text: str) -> str:
    """`text` that can't be taken for the chat template's own marks, such as `<|im_end|>`."""
    return text.replace("<|", "< |")
