"""A question never hangs: a lost worker is replaced once, all else ends in a clear error."""

import time

import pytest
from redis.asyncio import Redis

from apps.chat import presence
from apps.chat.questions import Question, QuestionStore, State
from apps.chat.watching import Patience, Watch


class Heard:
    """Stands in for the event sender: remembers what was announced."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    async def answer_finished(self, session_id: str, question_id: str) -> None:
        self.finished.append(question_id)


@pytest.fixture
def questions(redis: Redis) -> QuestionStore:
    return QuestionStore(redis, ttl=60)


@pytest.fixture
def dispatched() -> list[int]:
    return []


@pytest.fixture
def watch(questions: QuestionStore, dispatched: list[int]) -> Watch:
    async def dispatch(session_id: str, question_id: str, attempt: int) -> None:
        dispatched.append(attempt)

    patience = Patience(frame=20, answer=180)
    return Watch(questions=questions, events=Heard(), patience=patience, dispatch=dispatch)  # type: ignore[arg-type]


async def look(watch: Watch, *, age: float = 1.0) -> Question:
    """Let the watch look at the question as if it were ``age`` seconds old."""
    key = "question:s:q"
    await watch.questions.redis.hset(key, "asked_at", time.time() - age)
    question = await watch.questions.load("s", "q")
    assert question is not None
    await watch.look(question)
    after = await watch.questions.load("s", "q")
    assert after is not None
    return after


async def ask(questions: QuestionStore, *, frame: bool = True, running: bool = False) -> None:
    await questions.create("s", "q", text="What?", live=False)
    if frame:
        await questions.set_frame("s", "q", frame_id="q")
    if running:
        await questions.claim("s", "q", attempt=1, worker="w", lease_ms=60_000)


async def test_a_question_under_way_is_left_alone(watch: Watch, questions: QuestionStore):
    await ask(questions, running=True)
    assert (await look(watch)).state is State.RUNNING


async def test_a_lost_worker_is_replaced_once(
    watch: Watch, questions: QuestionStore, redis: Redis, dispatched: list[int]
):
    await ask(questions, running=True)
    await redis.delete("lease:s:q")
    assert (await look(watch)).state is State.WAITING
    assert dispatched == [2]
    await questions.claim("s", "q", attempt=2, worker="w2", lease_ms=60_000)
    await redis.delete("lease:s:q")
    after = await look(watch)
    assert after.outcome["error"] == "worker_lost"
    assert dispatched == [2]


async def test_a_worker_lost_after_the_first_token_is_an_error(
    watch: Watch, questions: QuestionStore, redis: Redis, dispatched: list[int]
):
    await ask(questions, running=True)
    await questions.append("s", "q", attempt=1, text="A")
    await redis.delete("lease:s:q")
    assert (await look(watch)).outcome["error"] == "worker_lost"
    assert dispatched == []


@pytest.mark.parametrize(
    ("frame", "age", "error"),
    [(False, 21, "no_stream"), (True, 181, "model_timeout"), (True, 21, "worker_lost")],
)
async def test_waiting_has_an_end(
    watch: Watch, questions: QuestionStore, frame: bool, age: float, error: str
):
    await ask(questions, frame=frame)
    after = await look(watch, age=age)
    assert (after.state, after.outcome["error"]) == (State.FAILED, error)
    assert after.outcome["detail"].endswith(".")


async def test_a_long_queue_is_no_lost_worker(watch: Watch, questions: QuestionStore, redis: Redis):
    await presence.announce_worker(redis, "w", {})
    await ask(questions)
    assert (await look(watch, age=100)).state is State.WAITING


async def test_an_end_nobody_announced_is_announced(
    watch: Watch, questions: QuestionStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.chat.watching.LOOK_SECONDS", 0.01)
    await watch.until_ended("s", "never-asked")
    assert watch.events.finished == ["never-asked"]  # type: ignore[attr-defined]
