"""Ask a running server about held-out scenes and count the right answers.

    python -m deploy.demo_model.evaluate --base-url http://127.0.0.1:8000/v1 --through vp8
    python -m deploy.demo_model.evaluate --easy-vqa DATA_FOLDER

Any server of the OpenAI protocol will do. Decoding is greedy; an answer is right word for word
(for easy-vqa, whose answers are single words, without article, letter case and full stop).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np

from deploy.demo_model import easy_vqa
from deploy.demo_model.channel import as_sent, filmed
from deploy.demo_model.questions import MOST_TURNS, Question, ask, ask_on, earlier_turns
from deploy.demo_model.scenes import KINDS, Scene, draw, sample_scene
from deploy.demo_model.wordings import SYSTEM_PROMPTS

HELD_OUT_SEED = 77_000_000
FRAMES = ((640, 480), (1280, 720), (480, 640), (720, 1280))
HISTORY_SHARE = 0.5  # of questions
STAY_SHARE = 0.3  # of questions: another follows that stays on the picture
BITRATES = (300_000, 600_000, 1_500_000)
ANSWER_TOKENS = 64


@dataclass(frozen=True)
class Task:
    """One question on one picture, perhaps after earlier turns, and the answer expected.

    `history` are turns about other pictures, `about_it` about this one.
    """

    picture: str  # data URL
    system: str | None
    history: tuple[Question, ...]
    about_it: tuple[Question, ...]
    text: str
    answer: str
    kind: str
    frame: str


@dataclass(frozen=True)
class Outcome:
    """What was answered."""

    kind: str
    frame: str
    asked: str
    expected: str
    answered: str

    @property
    def right(self) -> bool:
        """Whether the answer is the expected one, word for word."""
        return self.expected == self.answered


def scene_tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Questions about held-out scenes, each frame size in turn."""
    earlier: deque[Scene] = deque(maxlen=MOST_TURNS)
    frames = [tuple(map(int, size.split("x"))) for size in arguments.frames]
    for number in range(arguments.scenes):
        rng = np.random.default_rng((HELD_OUT_SEED + arguments.seed, number))
        width, height = frames[number % len(frames)]
        clean = arguments.through == "clean"
        scene = sample_scene(
            rng,
            width=width,
            height=height,
            clean=clean,
            unreadable_share=0.0 if clean else 0.08,
        )
        if clean:
            picture = draw(scene, width, height)
        else:
            bitrate = BITRATES[int(rng.integers(len(BITRATES)))]
            picture = filmed(scene, width, height, rng, bitrate=bitrate)
        url = data_url(as_sent(picture), "jpeg")
        system = SYSTEM_PROMPTS[0] if rng.random() < 0.7 else None
        questions = ask(scene, rng, count=arguments.questions)
        for question in questions:
            told = earlier and rng.random() < HISTORY_SHARE
            history = tuple(earlier_turns(earlier, rng)) if told else ()
            size = f"{width}x{height}"
            yield _task(url, system, history, (), question, size)
            if rng.random() < STAY_SHARE:
                about_it = tuple(ask(scene, rng, count=int(rng.integers(1, MOST_TURNS + 1))))
                further = ask_on(scene, about_it[-1], rng) or ask(scene, rng, count=1)[0]
                yield _task(url, system, history, about_it, further, size)
        earlier.append(scene)


def _task(
    url: str,
    system: str | None,
    history: tuple[Question, ...],
    about_it: tuple[Question, ...],
    question: Question,
    size: str,
) -> Task:
    kind = "further question" if about_it else question.kind
    return Task(url, system, history, about_it, question.text, question.answer, kind, size)


def easy_vqa_tasks(data: Path, limit: int | None) -> Iterator[Task]:
    """The test split of easy-vqa; its pictures are sent as they are."""
    for question in easy_vqa.questions(data, "test")[:limit]:
        url = data_url(question.picture.read_bytes(), "png")
        kind = "presence" if question.answer in ("yes", "no") else "colour"
        kind = "shape" if question.answer in KINDS else kind
        yield Task(url, None, (), (), question.text, question.answer, f"easy-vqa {kind}", "64x64")


def data_url(data: bytes, kind: str) -> str:
    """A picture as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def one_word(answer: str) -> str:
    """'A red.' and 'Red' as easy-vqa writes it: 'red'."""
    return answer.lower().strip().removesuffix(".").removeprefix("a ")


def request_body(task: Task, model: str) -> dict[str, object]:
    """The chat request for a task."""
    messages: list[dict[str, object]] = []
    if task.system is not None:
        messages.append({"role": "system", "content": task.system})
    picture = {"type": "image_url", "image_url": {"url": task.picture}}
    asked = [turn.text for turn in (*task.history, *task.about_it)] + [task.text]
    answered = [turn.answer for turn in (*task.history, *task.about_it)] + [""]
    for number, (text, answer) in enumerate(zip(asked, answered, strict=True)):
        shown = number == len(task.history)
        content = [picture, {"type": "text", "text": text}] if shown else text
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": answer})
    return {
        "model": model,
        "messages": messages[:-1],
        "temperature": 0,
        "max_tokens": ANSWER_TOKENS,
    }


async def answer_all(tasks: Iterator[Task], arguments: argparse.Namespace) -> list[Outcome]:
    """Ask every question, a few at a time, in order of the pictures."""
    outcomes: list[Outcome] = []
    headers = {"Authorization": f"Bearer {arguments.api_key}"} if arguments.api_key else {}
    async with httpx.AsyncClient(
        base_url=arguments.base_url.rstrip("/"), headers=headers, timeout=120
    ) as client:
        listed = (await client.get("/models")).raise_for_status().json()
        model = arguments.model or listed["data"][0]["id"]

        async def work() -> None:
            for task in tasks:
                reply = await client.post("/chat/completions", json=request_body(task, model))
                text = reply.raise_for_status().json()["choices"][0]["message"]["content"]
                easy = task.kind.startswith("easy-vqa")
                answered = one_word(text) if easy else text.strip()
                outcomes.append(Outcome(task.kind, task.frame, task.text, task.answer, answered))

        await asyncio.gather(*(work() for _ in range(arguments.concurrency)))
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """Right answers by kind (rows) and frame size (columns), as Markdown."""
    frames = sorted({outcome.frame for outcome in outcomes})
    cells: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for outcome in outcomes:
        for kind in (outcome.kind, "all"):
            cells[kind, outcome.frame].append(outcome.right)
            cells[kind, "all"].append(outcome.right)
    columns = [*frames, "all"]
    lines = ["| kind | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for kind in [*sorted({outcome.kind for outcome in outcomes}), "all"]:
        shown = [_share(cells[kind, column]) for column in columns]
        lines.append(f"| {kind} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _share(right: list[bool]) -> str:
    return f"{100 * sum(right) / len(right):.1f} % of {len(right)}" if right else "-"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--api-key")
    parser.add_argument("--model", help="default: the first the server lists")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--questions", type=int, default=8, help="per scene")
    parser.add_argument("--frames", nargs="+", default=[f"{w}x{h}" for w, h in FRAMES])
    parser.add_argument("--through", choices=("clean", "vp8"), default="clean")
    parser.add_argument("--easy-vqa", type=Path, help="data folder; asks its test split instead")
    parser.add_argument("--limit", type=int, help="of easy-vqa's questions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write every answer here")
    parser.add_argument("--show-wrong", type=int, default=0, help="print this many wrong answers")
    return parser.parse_args()


def main() -> None:
    """Ask, count, print."""
    arguments = parse_arguments()
    tasks = (
        easy_vqa_tasks(arguments.easy_vqa, arguments.limit)
        if arguments.easy_vqa
        else scene_tasks(arguments)
    )
    began = time.monotonic()
    outcomes = asyncio.run(answer_all(tasks, arguments))
    print(table(outcomes))
    print(f"\n{len(outcomes)} questions in {time.monotonic() - began:.0f} s")
    wrong = [outcome for outcome in outcomes if not outcome.right]
    for outcome in wrong[: arguments.show_wrong]:
        print(f"{outcome.frame} {outcome.kind}: {outcome.asked} -> {outcome.answered!r}")
        print(f"    expected {outcome.expected!r}")
    if arguments.json:
        rows = [asdict(outcome) for outcome in outcomes]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
