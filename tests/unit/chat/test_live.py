"""Live mode: unchanged scenes are told and not asked, the newest frame wins, limits hold."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from apps.chat.admission import AskLimits
from apps.chat.asking import Asking
from apps.chat.fairness import FairQueue
from apps.chat.feed import AnswerFeed
from apps.chat.live import LiveMode
from apps.chat.protocol import Error, LiveText, ServerMessage
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.contract import Refusal
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame
from apps.streaming.capture import SceneUnchanged
from apps.streaming.types import CapturePurpose

PICTURE = EncodedFrame(jpeg=b"", width=448, height=336, captured_at=0.001, uuid="0" * 32)
FRAME = {"age_ms": 5, "width": 448, "height": 336, "captured_at": 1}
LIMITS = AskLimits(chars=100, per_minute=60, depth=4, stale_seconds=60)


class World:
    """A session with a camera whose scene changes when told so, and a model that answers."""

    def __init__(self, redis: Redis) -> None:
        self.questions = QuestionStore(redis, ttl=60)
        self.turns = FairQueue(redis, grace=60, ttl=60)
        self.feed = AnswerFeed("s", questions=self.questions)
        self.changed = False
        self.model_is_free = True
        self.fails = False
        self.wishes: list[CapturePurpose] = []
        self.asked: list[str] = []
        self.said: list[ServerMessage] = []
        self.refused: list[str] = []
        self.asking = Asking(
            questions=self.questions,
            turns=self.turns,
            frames=FrameStore(redis, ttl=30),
            events=self,  # type: ignore[arg-type]
            host={"s": object()},  # type: ignore[arg-type]
            snapshot=self.snapshot,
            limits=lambda: LIMITS,
            wait=1,
            call=self.work,
        )

    def live(self, *, refresh: float = 60, rate: float = 50) -> LiveMode:
        self.mode = LiveMode(
            "s",
            asking=self.asking,
            prompt="What?",
            rate=rate,
            refresh=refresh,
            asker="ann",
            follow=self.feed.follow,
            leave=self.feed.drop,
            refused=self.refuse,
        )
        return self.mode

    async def snapshot(self, peer: object, *, wish: CapturePurpose) -> EncodedFrame:
        self.wishes.append(wish)
        if wish == "live_if_changed" and not self.changed:
            raise SceneUnchanged(width=448, height=336, captured_at=time.time())
        self.changed = False
        return PICTURE

    async def refuse(self, error: Refusal) -> None:
        self.refused.append(error.code)

    async def work(self) -> None:
        """The worker: answers the question whose turn it is."""
        if not self.model_is_free:
            return
        question = await self.turns.take(worker="w", lease_ms=60_000, now=time.time(), per_asker=9)
        assert question is not None
        self.asked.append(question.text)
        state, outcome = State.DONE, {"inference_time": 0.1, "frame": FRAME}
        outcome["text"] = f"Answer {len(self.asked)}."
        if self.fails:
            state, outcome = State.FAILED, {"error": "model_unavailable", "detail": "."}
        await self.questions.finish(question.session_id, question.id, state=state, outcome=outcome)
        await self.answer_finished(question.session_id, question.id)

    async def answer_finished(self, session_id: str, question_id: str) -> None:
        assert self.mode.owns(question_id)
        for message in await self.feed.on_finished(question_id):
            self.said.append(self.mode.finish(message))

    async def until_said(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.said) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def world(redis: Redis) -> AsyncIterator[World]:
    yield World(redis)


async def running(mode: LiveMode, until) -> None:
    """Run live mode until ``until`` is done."""
    task = asyncio.create_task(mode.run())
    try:
        await until
    finally:
        mode.stop()
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.done()


async def test_an_unchanged_scene_is_told_with_the_last_answer_and_not_asked(world: World):
    await running(world.live(), world.until_said(4))
    assert world.asked == ["What?"]
    assert isinstance(world.said[0], LiveText)
    assert world.said[0].unchanged is None
    for message in world.said[1:]:
        assert isinstance(message, LiveText)
        assert (message.unchanged, message.text) == (True, "Answer 1.")
        assert message.frame["width"] == 448


async def test_a_changed_scene_is_asked_about(world: World):
    async def change() -> None:
        await world.until_said(2)
        world.changed = True
        await world.until_said(4)

    await running(world.live(), change())
    assert len(world.asked) == 2
    assert {"Answer 2."} == {
        message.text
        for message in world.said[2:]
        if isinstance(message, LiveText) and message.text != "Answer 1."
    }


async def test_another_prompt_is_asked_whatever_the_scene(world: World):
    async def edit() -> None:
        await world.until_said(2)
        world.mode.prompt = "And now?"
        await world.until_said(4)

    await running(world.live(), edit())
    assert world.asked == ["What?", "And now?"]


async def test_the_model_is_asked_again_after_a_while(world: World):
    await running(world.live(refresh=0), world.until_said(3))
    assert len(world.asked) >= 3
    assert "live_if_changed" not in world.wishes


async def test_after_an_error_the_scene_counts_as_new(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.chat.live.PAUSE_AFTER_ERROR_SECONDS", 0.01)
    world.fails = True

    async def recover() -> None:
        await world.until_said(2)
        world.fails = False
        await world.until_said(4)

    await running(world.live(), recover())
    assert isinstance(world.said[0], Error)
    assert isinstance(world.said[-1], LiveText)
    first_answer = next(n for n, message in enumerate(world.said) if isinstance(message, LiveText))
    assert set(world.wishes[: first_answer + 1]) == {"live"}


async def test_a_frame_that_waits_is_replaced_by_a_newer_one_in_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.chat.live.RENEWAL_SECONDS", 0.02)
    world.model_is_free = False

    async def wait_then_answer() -> None:
        async with asyncio.timeout(10):
            while world.wishes.count("live_again") < 2:
                await asyncio.sleep(0.005)
        world.model_is_free = True
        await world.work()
        await world.until_said(1)

    await running(world.live(), wait_then_answer())
    assert world.wishes[:3] == ["live", "live_again", "live_again"]
    assert world.asked == ["What?"]


async def test_a_full_queue_is_told_and_live_mode_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.chat.live.PAUSE_AFTER_ERROR_SECONDS", 0.01)
    for number in range(LIMITS.depth):
        await world.questions.create(
            NewQuestion(session_id="o", id=str(number), text="What?", asker="bob")
        )

    async def drain() -> None:
        async with asyncio.timeout(10):
            while len(world.refused) < 2:
                await asyncio.sleep(0.005)
        await world.questions.forget("o")
        await world.until_said(1)

    await running(world.live(), drain())
    assert set(world.refused) == {"busy"}


async def test_switched_off_nothing_is_left(world: World, redis: Redis):
    world.model_is_free = False

    async def taken() -> None:
        async with asyncio.timeout(10):
            while not world.wishes:
                await asyncio.sleep(0.005)

    await running(world.live(), taken())
    assert await redis.keys("question:*") == []
    assert (await world.questions.depth(older_than=0)).live == 0
