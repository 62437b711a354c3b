"""Turns: askers alternate, people come before live mode, and who has left is passed over."""

import asyncio
import time

from prometheus_client import REGISTRY
from redis.asyncio import Redis

from apps.chat.fairness import LIVE_FRAMES, PARKED, ROTATION, FairQueue
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.fleet import presence


async def ask(turns: FairQueue, asker: str, *ids: str, live: bool = False) -> None:
    """Queue questions of ``asker``, whose session is named like it."""
    questions = QuestionStore(turns.redis, ttl=60)
    for question_id in ids:
        await questions.create(
            NewQuestion(session_id=asker, id=question_id, text="What?", asker=asker, live=live)
        )
        assert await turns.push(asker, question_id, frame_id=question_id)


async def served(turns: FairQueue, *, per_asker: int = 99) -> list[str]:
    """Take until nothing has a turn; the ids in the order they were served."""
    order = []
    while taken := await turns.take(
        worker="w", lease_ms=60_000, now=time.time(), per_asker=per_asker
    ):
        order.append(taken.id)
    return order


async def test_one_askers_questions_come_in_order(turns: FairQueue):
    await ask(turns, "ann", "1", "2", "3")
    assert await served(turns) == ["1", "2", "3"]


async def test_a_flood_delays_others_by_one_a_round(turns: FairQueue):
    await ask(turns, "flood", *(f"f{number}" for number in range(50)))
    for number in range(9):
        await ask(turns, f"user{number}", f"u{number}")
    order = await served(turns)
    assert order[:10] == ["f0", *(f"u{number}" for number in range(9))]
    assert order[10:] == [f"f{number}" for number in range(1, 50)]


async def test_askers_take_turns(turns: FairQueue):
    await ask(turns, "ann", "a1", "a2", "a3")
    await ask(turns, "bob", "b1", "b2")
    assert await served(turns) == ["a1", "b1", "a2", "b2", "a3"]


async def test_nobody_takes_every_place_and_the_rest_is_called_back(
    turns: FairQueue, questions: QuestionStore
):
    await ask(turns, "flood", "f1", "f2", "f3")
    assert await served(turns, per_asker=2) == ["f1", "f2"]
    await ask(turns, "ann", "a1")
    assert await served(turns, per_asker=2) == ["a1"]
    # Two calls found only questions without a turn: as many are made again, no more.
    assert [await turns.unpark() for _ in range(3)] == [True, True, False]
    await questions.finish("flood", "f1", state=State.DONE, outcome={})
    assert await served(turns, per_asker=2) == ["f3"]


async def test_live_answers_take_no_place_from_their_askers_questions(turns: FairQueue):
    questions = QuestionStore(turns.redis, ttl=60)
    for session in ("s1", "s2", "s3"):
        await questions.create(
            NewQuestion(session_id=session, id="live-1", text="What?", asker="ann", live=True)
        )
        await turns.push(session, "live-1", frame_id="f")
    assert await served(turns, per_asker=1) == ["live-1"] * 3
    await ask(turns, "ann", "a1", "a2")
    assert await served(turns, per_asker=1) == ["a1"]


async def test_a_lost_workers_answers_do_not_count(turns: FairQueue, redis: Redis):
    await ask(turns, "ann", "a1", "a2")
    assert await served(turns, per_asker=1) == ["a1"]
    await redis.delete("lease:ann:a1")
    assert await served(turns, per_asker=1) == ["a2"]


async def test_nothing_is_parked_where_nothing_waits(turns: FairQueue):
    assert await served(turns) == []
    assert not await turns.unpark()


async def test_sessions_of_one_asker_share_its_turns(turns: FairQueue, questions: QuestionStore):
    for session in ("laptop", "phone"):
        await questions.create(
            NewQuestion(session_id=session, id=session, text="What?", asker="ann")
        )
        await turns.push(session, session, frame_id="f")
    await ask(turns, "bob", "b1")
    assert await served(turns) == ["laptop", "b1", "phone"]


async def test_questions_come_before_live_frames(turns: FairQueue):
    await ask(turns, "ann", "live-a", live=True)
    await ask(turns, "bob", "live-b", live=True)
    await ask(turns, "ann", "a1")
    assert await served(turns) == ["a1", "live-a", "live-b"]


async def test_ids_may_have_colons(turns: FairQueue):
    await ask(turns, "ann", "a:b:c")
    taken = await turns.take(worker="w", lease_ms=60_000, now=1.0, per_asker=99)
    assert taken is not None
    assert (taken.session_id, taken.id) == ("ann", "a:b:c")


async def test_a_taken_question_runs_and_is_leased(turns: FairQueue, questions: QuestionStore):
    await ask(turns, "ann", "q")
    await served(turns)
    question = await questions.load("ann", "q")
    assert question is not None
    assert (question.state, question.frame_id, question.asker) == (State.RUNNING, "q", "ann")
    assert not await questions.worker_is_lost("ann", "q", grace=0)
    assert await questions.anything_runs()


async def test_ended_questions_cost_their_asker_no_turn(turns: FairQueue, questions: QuestionStore):
    await ask(turns, "ann", "a1", "a2", "a3")
    await ask(turns, "bob", "b1")
    outcome = {"error": "cancelled", "detail": "."}
    await questions.finish("ann", "a1", state=State.FAILED, outcome=outcome)
    await questions.drop("ann", "a2")
    assert await served(turns) == ["a3", "b1"]


async def test_a_question_that_ended_is_not_queued(turns: FairQueue, questions: QuestionStore):
    await questions.create(NewQuestion(session_id="ann", id="q", text="What?", asker="ann"))
    await questions.finish("ann", "q", state=State.FAILED, outcome={})
    assert not await turns.push("ann", "q", frame_id="q")
    assert not await turns.push("ann", "unknown")
    assert await served(turns) == []


async def test_a_question_queued_twice_is_served_once(turns: FairQueue):
    await ask(turns, "ann", "q")
    await turns.push("ann", "q")
    assert await served(turns) == ["q"]


async def test_only_one_worker_gets_a_question(turns: FairQueue):
    await ask(turns, "ann", "q")
    takes = [turns.take(worker=str(n), lease_ms=60_000, now=1.0, per_asker=99) for n in range(10)]
    assert sorted(taken is not None for taken in await asyncio.gather(*takes)) == [False] * 9 + [
        True
    ]


async def test_who_has_left_is_not_answered(
    turns: FairQueue, questions: QuestionStore, redis: Redis
):
    await ask(turns, "gone", "g1")
    await ask(turns, "gone", "g-live", live=True)
    await ask(turns, "ann", "a1")
    await redis.delete(f"{presence.LATELY}gone")
    before = REGISTRY.get_sample_value("qwencam_askers_left_total") or 0.0
    assert await served(turns) == ["a1"]
    assert REGISTRY.get_sample_value("qwencam_askers_left_total") == before + 2
    question = await questions.load("gone", "g1")
    assert question is not None
    assert (question.state, question.outcome["error"]) == (State.FAILED, "asker_left")
    depth = await questions.depth(older_than=0)
    assert (depth.questions, depth.live, depth.running) == (1, 0, 1)


async def test_who_is_here_is_answered_however_long_ago_it_asked(turns: FairQueue, redis: Redis):
    await ask(turns, "ann", "a1")
    await redis.delete(f"{presence.LATELY}ann")
    await presence.announce_socket(redis, "ann", "socket", ttl=8)
    assert await served(turns) == ["a1"]


async def test_a_page_that_is_coming_back_keeps_its_turn(turns: FairQueue, redis: Redis):
    await ask(turns, "ann", "a1")
    await redis.delete(f"{presence.LATELY}ann")
    await presence.announce_socket(redis, "ann", "socket", ttl=8)
    await presence.withdraw_socket(redis, "ann", "socket", grace=60)
    assert 0 < await redis.pttl(f"{presence.LATELY}ann") <= 60_000
    assert await served(turns) == ["a1"]


async def test_nothing_is_kept_for_ever(turns: FairQueue, redis: Redis):
    await ask(turns, "ann", "a1")
    await served(turns, per_asker=0)
    await ask(turns, "ann", "live-1", live=True)
    for key in (ROTATION, LIVE_FRAMES, PARKED, "turns:of:ann"):
        assert 0 < await redis.ttl(key) <= 60
