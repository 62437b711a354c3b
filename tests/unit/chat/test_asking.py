"""Bringing a question its frame: from here, from another process, from one that has died since."""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from apps.chat.admission import AskLimits
from apps.chat.asking import Asking
from apps.chat.fairness import FairQueue
from apps.chat.questions import NewQuestion, Question, QuestionStore, State
from apps.fleet import presence
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame
from apps.streaming.types import CapturePurpose

PICTURE = EncodedFrame(jpeg=b"", width=448, height=336, captured_at=0.001, uuid="0" * 32)
LIMITS = AskLimits(chars=100, per_minute=60, depth=4, stale_seconds=60)


class World:
    """A question of session "s"; `peers` are this process's, `asked` counts the others' calls."""

    def __init__(self, redis: Redis, *, wait: float = 30) -> None:
        self.redis = redis
        self.peers: dict[str, object] = {}
        self.asked = 0
        self.on_asked: Callable[[], object] = lambda: None
        self.asking = Asking(
            questions=QuestionStore(redis, ttl=60),
            turns=FairQueue(redis, grace=60, ttl=60),
            frames=FrameStore(redis, ttl=30),
            events=self,  # type: ignore[arg-type]
            host=self.peers,  # type: ignore[arg-type]
            snapshot=self.snapshot,
            limits=lambda: LIMITS,
            wait=wait,
            call=self.nothing,
        )

    async def snapshot(self, peer: object, *, wish: CapturePurpose) -> EncodedFrame:
        return PICTURE

    async def nothing(self) -> None:
        pass

    async def answer_finished(self, session_id: str, question_id: str) -> None:
        pass

    async def frame_wanted(
        self, session_id: str, question_id: str, *, wish: CapturePurpose
    ) -> None:
        self.asked += 1
        self.on_asked()

    async def take_there(self) -> None:
        """Another process takes the frame."""
        await self.asking.take_frame(object(), "s", "q", wish="asked")  # type: ignore[arg-type]

    async def until_brought(self) -> Question:
        """Ask, have a frame brought, return the question."""
        await self.asking.questions.create(
            NewQuestion(session_id="s", id="q", text="What?", asker="ann")
        )
        async with asyncio.timeout(20):
            await self.asking.bring_frame("s", "q")
        question = await self.asking.questions.load("s", "q")
        assert question is not None
        return question


async def a_stream_somewhere(redis: Redis) -> None:
    await presence.announce_streams(redis, {"s": {}}, ttl=60)


async def test_a_stream_that_comes_late_is_waited_for(redis: Redis):
    world = World(redis)
    asyncio.get_running_loop().call_later(0.1, world.peers.__setitem__, "s", object())
    assert (await world.until_brought()).frame_id == "q"
    assert world.asked == 0


async def test_without_a_stream_a_question_ends(redis: Redis):
    question = await World(redis, wait=0.1).until_brought()
    assert (question.state, question.outcome["error"]) == (State.FAILED, "no_stream")


async def test_the_process_that_holds_the_stream_is_asked_once(redis: Redis):
    world = World(redis)
    await a_stream_somewhere(redis)
    tasks = []
    world.on_asked = lambda: tasks.append(asyncio.create_task(world.take_there()))
    assert (await world.until_brought()).frame_id == "q"
    assert world.asked == 1


async def test_a_call_nobody_heard_is_made_again(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.chat.asking.ASK_AGAIN_SECONDS", 0.1)
    world = World(redis)
    await a_stream_somewhere(redis)
    tasks = []

    def hear_the_third() -> None:
        if world.asked == 3:
            tasks.append(asyncio.create_task(world.take_there()))

    world.on_asked = hear_the_third
    assert (await world.until_brought()).frame_id == "q"
    assert world.asked >= 3


async def test_a_process_that_died_is_not_waited_for_when_the_stream_comes_here(redis: Redis):
    world = World(redis)
    await a_stream_somewhere(redis)
    loop = asyncio.get_running_loop()
    world.on_asked = lambda: loop.call_later(0.1, world.peers.__setitem__, "s", object())
    assert (await world.until_brought()).frame_id == "q"


async def test_another_process_that_still_waits_for_the_camera_has_the_last_word(redis: Redis):
    await a_stream_somewhere(redis)
    question = await World(redis, wait=0.2).until_brought()
    assert (question.state, question.frame_id) == (State.WAITING, "")
