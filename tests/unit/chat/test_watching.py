"""A question never hangs: a lost worker is replaced once, all else ends in a clear error."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.chat import watching
from apps.chat.fairness import FairQueue
from apps.chat.questions import NewQuestion, Question, QuestionStore, State
from apps.chat.watching import Patience, Watch
from apps.fleet import presence


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look without a lease is enough, however soon."""
    monkeypatch.setattr(watching, "LEASE_GRACE_SECONDS", 0.0)


@pytest.fixture
def calls() -> list[str]:
    """What the watch did about stuck questions."""
    return []


@pytest.fixture
def watch(questions: QuestionStore, calls: list[str], turns: FairQueue) -> Watch:
    async def queue(session_id: str, question_id: str) -> None:
        calls.append("queue")
        await turns.push(session_id, question_id)

    async def call() -> None:
        calls.append("call")

    async def tell(question_id: str) -> None:
        calls.append(f"tell {question_id}")

    patience = Patience(frame=20, answer=180)
    return Watch(questions=questions, patience=patience, queue=queue, call=call, tell=tell)


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


async def claim(turns: FairQueue) -> None:
    taken = await turns.take(worker="w", lease_ms=60_000, now=time.time(), per_asker=99)
    assert taken is not None
    assert (taken.session_id, taken.id) == ("s", "q")


async def ask(turns: FairQueue, *, frame: bool = True, running: bool = False) -> None:
    questions = QuestionStore(turns.redis, ttl=60)
    await questions.create(NewQuestion(session_id="s", id="q", text="What?", asker="ann"))
    if frame:
        await turns.push("s", "q", frame_id="q")
    if running:
        await claim(turns)


async def test_a_question_under_way_is_left_alone(watch: Watch, turns: FairQueue):
    await ask(turns, running=True)
    assert (await look(watch)).state is State.RUNNING


async def test_a_lost_worker_is_replaced_once(
    watch: Watch, turns: FairQueue, redis: Redis, calls: list[str]
):
    await ask(turns, running=True)
    await redis.delete("lease:s:q")
    assert (await look(watch)).state is State.RUNNING  # It may be about to renew its lease.
    assert (await look(watch)).state is State.WAITING
    assert calls == ["queue"]
    await claim(turns)
    await redis.delete("lease:s:q")
    await look(watch)
    after = await look(watch)
    assert after.outcome["error"] == "worker_lost"
    assert calls == ["queue"]


async def test_a_worker_lost_after_the_first_token_is_an_error(
    watch: Watch, turns: FairQueue, redis: Redis, calls: list[str]
):
    await ask(turns, running=True)
    await watch.questions.append("s", "q", attempt=1, seq=1, text="A")
    await redis.delete("lease:s:q")
    await look(watch)
    assert (await look(watch)).outcome["error"] == "worker_lost"
    assert calls == []


@pytest.mark.parametrize(
    ("frame", "age", "error"),
    [(False, 21, "no_stream"), (True, 181, "model_timeout"), (True, 21, "worker_lost")],
)
async def test_waiting_has_an_end(
    watch: Watch, turns: FairQueue, frame: bool, age: float, error: str
):
    await ask(turns, frame=frame)
    after = await look(watch, age=age)
    assert (after.state, after.outcome["error"]) == (State.FAILED, error)
    assert after.outcome["detail"].endswith(".")


async def test_a_long_queue_is_no_lost_worker(watch: Watch, turns: FairQueue, redis: Redis):
    await presence.announce_worker(redis, "w", {})
    await ask(turns)
    assert (await look(watch, age=100)).state is State.WAITING


async def test_a_lost_call_is_made_again_when_nothing_runs(
    watch: Watch, turns: FairQueue, calls: list[str]
):
    await ask(turns)
    assert (await look(watch, age=0)).state is State.WAITING
    assert calls == []
    await look(watch, age=4)
    assert calls == ["call"]
    await watch.questions.create(NewQuestion(session_id="s", id="other", text="What?", asker="bob"))
    await turns.push("s", "other")
    await claim(turns)
    waiting = await watch.questions.load("s", "other")
    assert waiting is not None
    await watch.look(replace(waiting, frame_id="other", asked_at=time.time() - 4))
    assert calls == ["call"]


async def test_an_end_nobody_announced_is_told(
    watch: Watch, calls: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.chat.watching.LOOK_SECONDS", 0.01)
    await watch.until_ended("s", "never-asked")
    assert calls == ["tell never-asked"]


async def test_redis_away_for_a_while_is_sat_out(
    watch: Watch, turns: FairQueue, monkeypatch: pytest.MonkeyPatch
):
    await ask(turns)
    load, failures = watch.questions.load, [RedisConnectionError(), OSError()]

    async def away_at_first(session_id: str, question_id: str) -> Question | None:
        if failures:
            raise failures.pop()
        return await load(session_id, question_id)

    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(QuestionStore, "load", staticmethod(away_at_first))
    await watch.questions.finish("s", "q", state=State.FAILED, outcome={"error": "cancelled"})
    await watch.until_ended("s", "q")
    assert failures == []
