"""Letting questions in: every limit says no, and the place told is the one the turns give."""

import asyncio
import time
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from apps.chat.admission import AskLimits, admit
from apps.chat.fairness import FairQueue
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.contract import ErrorCode

LIMITS = AskLimits(chars=99, per_minute=99, depth=99, stale_seconds=60)


async def enter(
    questions: QuestionStore, asker: str, question_id: str, **limits: Any
) -> int | ErrorCode:
    """Let in a question of ``asker``, whose session is named like it."""
    text = "Ist das rot? 🔴"
    new = NewQuestion(session_id=asker, id=question_id, text=text, asker=asker, keep_frame=True)
    return await admit(questions, new, replace(LIMITS, **limits))


async def test_what_is_let_in_is_stored_whole(questions: QuestionStore):
    before = time.time()
    assert await enter(questions, "ann", "q") == 1
    question = await questions.load("ann", "q")
    assert question is not None
    assert (question.text, question.state, question.live) == (
        "Ist das rot? 🔴",
        State.WAITING,
        False,
    )
    assert (question.asker, question.keep_frame) == ("ann", True)
    assert before <= question.asked_at <= time.time()
    assert (await questions.depth(older_than=0)).questions == 1


async def test_one_users_rate_is_not_anothers(questions: QuestionStore, redis: Redis):
    answers = [await enter(questions, "owner", f"q{n}", per_minute=3) for n in range(8)]
    assert answers[:3] == [1, 1, 1]
    # 3 a minute: even if the minute turns, 8 are too many.
    assert ErrorCode.RATE_LIMITED in answers
    assert await enter(questions, "stranger", "q", per_minute=3) == 1
    for key in await redis.keys("rate:*"):
        assert 0 < await redis.ttl(key) <= 120


async def test_what_is_refused_is_not_stored(questions: QuestionStore):
    assert await enter(questions, "ann", "q1", depth=1) == 1
    assert await enter(questions, "ann", "q2", depth=1) is ErrorCode.BUSY
    assert await enter(questions, "bob", "q3", per_minute=0) is ErrorCode.RATE_LIMITED
    assert await questions.load("ann", "q2") is None
    assert await questions.load("bob", "q3") is None
    assert (await questions.depth(older_than=0)).questions == 1


async def test_the_last_place_goes_to_one_of_many_that_come_at_once(questions: QuestionStore):
    answers = await asyncio.gather(*(enter(questions, f"user{n}", "q", depth=1) for n in range(10)))
    assert sorted(map(str, answers)) == ["1"] + ["busy"] * 9


async def test_what_nobody_can_answer_any_more_takes_no_place(questions: QuestionStore):
    assert await enter(questions, "ann", "q1", depth=1) == 1
    assert await enter(questions, "ann", "q2", depth=1, stale_seconds=-60) == 1


async def test_an_id_is_used_once_a_session(questions: QuestionStore):
    assert await enter(questions, "ann", "q") == 1
    assert await enter(questions, "ann", "q") is ErrorCode.BAD_REQUEST
    assert await enter(questions, "bob", "q") == 1


async def test_the_place_is_the_one_the_turns_give(questions: QuestionStore, turns: FairQueue):
    async def ask(asker: str, *ids: str) -> None:
        for question_id in ids:
            place = await enter(questions, asker, question_id)
            assert isinstance(place, int)
            places[question_id] = place
            await turns.push(asker, question_id, frame_id="f")

    places: dict[str, int] = {}
    await ask("flood", *(f"f{number}" for number in range(5)))
    await ask("bob", "b1", "b2", "b3")
    await ask("ann", "a1", "a2")
    await ask("flood", "f5")
    order = []
    while taken := await turns.take(worker="w", lease_ms=60_000, now=time.time(), per_asker=99):
        order.append(taken.id)
    assert places == {
        **{f"f{number}": number + 1 for number in range(5)},
        "b1": 2,
        "b2": 4,
        "b3": 6,
        "a1": 3,
        "a2": 6,
        "f5": 6 + 3 + 2,
    }
    # Nobody's place became worse by more than those who came later and had a turn before.
    assert [order.index(name) + 1 for name in ("a1", "a2", "f5")] == [3, 6, 11]
