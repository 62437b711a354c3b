"""Questions in Redis: claimed once, retried once, ended once, gone with their session."""

import asyncio
import time

from redis.asyncio import Redis

from apps.chat.fairness import FairQueue
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.fleet.queue_depth import QUEUE


async def claim(questions: QuestionStore, *, lease_ms: int = 5000) -> bool:
    """Take the only question there is, as a worker does."""
    turns = FairQueue(questions.redis, grace=60, ttl=60)
    await turns.push("s", "q")
    return (
        await turns.take(worker="w", lease_ms=lease_ms, now=time.time(), per_asker=99) is not None
    )


async def ask(questions: QuestionStore, text: str = "What?") -> None:
    assert await questions.create(NewQuestion(session_id="s", id="q", text=text, asker="ann"))


async def test_a_question_is_stored_whole_and_with_an_end_of_life(
    questions: QuestionStore, redis: Redis
):
    await ask(questions, "Ist das ein Kreis? 🔴")
    question = await questions.load("s", "q")
    assert question is not None
    assert (question.text, question.state) == ("Ist das ein Kreis? 🔴", State.WAITING)
    assert 0 < await redis.ttl("question:s:q") <= 60


async def test_an_id_is_used_once_a_session(questions: QuestionStore):
    await ask(questions)
    assert not await questions.create(
        NewQuestion(session_id="s", id="q", text="Again?", asker="ann")
    )
    assert await questions.create(
        NewQuestion(session_id="stranger", id="q", text="Mine.", asker="bob")
    )


async def test_only_one_worker_gets_a_question(questions: QuestionStore):
    await ask(questions)
    claims = await asyncio.gather(*(claim(questions) for _ in range(10)))
    assert sum(claims) == 1
    assert not await questions.worker_is_lost("s", "q", grace=0)


async def test_batches_are_numbered_from_one(questions: QuestionStore):
    await ask(questions)
    await claim(questions)
    for seq, text in enumerate("abc", start=1):
        assert await questions.append("s", "q", attempt=1, seq=seq, text=text)
    assert await questions.batches("s", "q", after=0) == ["a", "b", "c"]
    assert await questions.batches("s", "q", after=2) == ["c"]
    assert await questions.batches("s", "q", after=3) == []


async def test_a_batch_sent_again_stands_once(questions: QuestionStore):
    """As redis-py sends a command again whose reply was lost."""
    await ask(questions)
    await claim(questions)
    for seq, text in ((1, "a"), (1, "a"), (2, "b"), (1, "a"), (2, "b")):
        assert await questions.append("s", "q", attempt=1, seq=seq, text=text)
    assert await questions.batches("s", "q", after=0) == ["a", "b"]


async def test_an_end_said_again_is_still_that_attempts_own(questions: QuestionStore):
    await ask(questions)
    await claim(questions)
    for _ in range(2):
        assert await questions.finish(
            "s", "q", state=State.DONE, outcome={"ttft": 0.1}, attempt=1, seconds=2.0
        )
    assert (await questions.depth(older_than=0)).seconds == 2.0
    assert await questions.redis.llen("questions:seconds") == 1
    assert not await questions.finish(
        "s", "q", state=State.DONE, outcome={"ttft": 0.2}, attempt=1, seconds=2.0
    )


async def test_a_worker_is_lost_when_its_lease_stays_away(questions: QuestionStore, redis: Redis):
    await ask(questions)
    await claim(questions)
    await redis.delete("lease:s:q")
    assert not await questions.worker_is_lost("s", "q", grace=0.05)
    assert not await questions.worker_is_lost("s", "q", grace=0.05)
    await asyncio.sleep(0.1)
    assert await questions.worker_is_lost("s", "q", grace=0.05)


async def test_a_renewal_begins_a_lease_that_ran_out_anew(questions: QuestionStore, redis: Redis):
    await ask(questions)
    await claim(questions)
    await redis.delete("lease:s:q")
    assert not await questions.worker_is_lost("s", "q", grace=0)
    assert await questions.renew("s", "q", attempt=1, worker="w", lease_ms=60_000)
    assert not await questions.worker_is_lost("s", "q", grace=0)
    # What was noted before the renewal counts no more.
    await redis.delete("lease:s:q")
    assert not await questions.worker_is_lost("s", "q", grace=0)
    assert await questions.worker_is_lost("s", "q", grace=0)


async def test_a_question_without_a_lease_is_retried_once(questions: QuestionStore):
    await ask(questions)
    await claim(questions, lease_ms=1)
    await asyncio.sleep(0.01)
    assert await questions.retry("s", "q")
    assert await claim(questions, lease_ms=1)
    await asyncio.sleep(0.01)
    assert not await questions.retry("s", "q")


async def test_a_leased_question_is_not_retried(questions: QuestionStore):
    await ask(questions)
    await claim(questions)
    assert not await questions.retry("s", "q")


async def test_an_answer_that_has_begun_is_not_retried(questions: QuestionStore):
    await ask(questions)
    await claim(questions, lease_ms=1)
    await questions.append("s", "q", attempt=1, seq=1, text="A")
    await asyncio.sleep(0.01)
    assert not await questions.retry("s", "q")


async def test_a_worker_that_comes_back_late_changes_nothing(questions: QuestionStore):
    await ask(questions)
    await claim(questions, lease_ms=1)
    await asyncio.sleep(0.01)
    await questions.retry("s", "q")
    await claim(questions)
    assert not await questions.append("s", "q", attempt=1, seq=1, text="late")
    assert not await questions.renew("s", "q", attempt=1, worker="w", lease_ms=60_000)
    assert not await questions.finish("s", "q", state=State.DONE, outcome={}, attempt=1)
    assert await questions.append("s", "q", attempt=2, seq=1, text="A")


async def test_a_question_ends_once_and_leaves_the_queue(questions: QuestionStore, redis: Redis):
    await ask(questions)
    assert (await questions.depth(older_than=0)).questions == 1
    first = {"error": "cancelled", "detail": "."}
    assert await questions.finish("s", "q", state=State.FAILED, outcome=first)
    assert not await questions.finish("s", "q", state=State.DONE, outcome={})
    assert (await questions.depth(older_than=0)).questions == 0
    question = await questions.load("s", "q")
    assert question is not None
    assert question.outcome == first


async def test_questions_too_old_to_be_answered_leave_the_queue(questions: QuestionStore):
    await ask(questions)
    assert (await questions.depth(older_than=1e12)).questions == 0


async def test_depth_tells_people_from_live_mode_and_what_runs(questions: QuestionStore):
    await questions.create(
        NewQuestion(session_id="s", id="live-1", text="What?", asker="ann", live=True)
    )
    await ask(questions)
    await claim(questions)
    depth = await questions.depth(older_than=0)
    assert (depth.questions, depth.live, depth.running) == (1, 1, 1)
    assert depth.wait == 0  # Nothing was answered yet: nobody knows.
    await questions.finish("s", "q", state=State.DONE, outcome={}, seconds=3.0)
    await questions.drop("s", "live-1")
    depth = await questions.depth(older_than=0)
    assert (depth.questions, depth.live, depth.running) == (0, 0, 0)
    assert depth.seconds == 3.0


async def test_a_session_that_ends_leaves_nothing_behind(questions: QuestionStore, redis: Redis):
    await ask(questions)
    await claim(questions)
    await questions.append("s", "q", attempt=1, seq=1, text="A")
    await questions.create(NewQuestion(session_id="stranger", id="q", text="Mine.", asker="bob"))
    await questions.forget("s")
    kept = {b"questions:waiting", b"presence:lately:s"}
    assert {key for key in await redis.keys("*") if b"stranger" not in key} == kept
    assert [member async for member, _ in redis.zscan_iter(QUEUE)] == [b"stranger:q"]


async def test_one_question_can_be_dropped(questions: QuestionStore):
    await ask(questions)
    await questions.drop("s", "q")
    assert await questions.load("s", "q") is None
