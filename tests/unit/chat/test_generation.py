"""The worker's hold on a question: it outlasts Redis's absence, and ends when another has it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from apps.chat import generation, redis_outage
from apps.chat.conversation import Conversation
from apps.chat.fairness import FairQueue
from apps.chat.generation import Answered, Generation
from apps.chat.known_preferences import KnownPreferences
from apps.chat.preferences import GenerationConfig
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.fleet.statistics import Statistics
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame
from apps.inference.completion import Delta, Usage

PICTURE = EncodedFrame(jpeg=b"jpeg", width=448, height=336, captured_at=1.0, uuid="0" * 32)


REFUSAL = ResponseError("NOREPLICAS Not enough good replicas to write.")


class Questions(QuestionStore):
    """Plays a Redis that is away for the first renewals, and refuses the first writes."""

    def __init__(self, redis: Redis, *, ttl: int) -> None:
        super().__init__(redis, ttl=ttl)
        self.away = 0
        self.renewals = 0
        self.refusals: list[Exception] = []
        self.lost_replies: list[Exception] = []

    async def renew(self, session_id: str, question_id: str, **lease: Any) -> bool:
        self.renewals += 1
        if self.renewals <= self.away:
            raise RedisConnectionError
        return await super().renew(session_id, question_id, **lease)

    async def append(self, session_id: str, question_id: str, **batch: Any) -> bool:
        return await self._disturbed(super().append, session_id, question_id, **batch)

    async def finish(self, session_id: str, question_id: str, **end: Any) -> bool:
        return await self._disturbed(super().finish, session_id, question_id, **end)

    async def _disturbed(self, write: Any, *arguments: Any, **named: Any) -> bool:
        if self.refusals:
            raise self.refusals.pop()
        done: bool = await write(*arguments, **named)
        if self.lost_replies:
            raise self.lost_replies.pop()
        return done


class Model:
    """Answers when told to."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.asked = asyncio.Event()
        self.closed = False
        self.failure: Exception | None = None

    async def stream_chat(self, *_: Any, **__: Any) -> AsyncGenerator[Delta | Usage, None]:
        self.asked.set()
        try:
            await self.free.wait()
            if self.failure:
                raise self.failure
            yield Delta("A red circle.")
            yield Usage(10, 4, "stop")
        finally:
            self.closed = True


class Events:
    """Hears what sockets would be told."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    async def answer_batch(self, session_id: str, question_id: str, *, seq: int, text: str) -> None:
        pass

    async def answer_finished(self, session_id: str, question_id: str) -> None:
        self.finished.append(question_id)


class World:
    """One question that waits with its frame, and the parts that answer it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.questions = Questions(redis, ttl=60)
        self.turns = FairQueue(redis, grace=60, ttl=60)
        self.frames = FrameStore(redis, ttl=30)
        self.model, self.events = Model(), Events()
        parts: dict[str, Any] = {"events": self.events, "servers": self.model}
        self.generation = Generation(
            worker="w",
            questions=self.questions,
            turns=self.turns,
            frames=self.frames,
            statistics=Statistics(redis),
            conversation=lambda session: Conversation(redis, session, turns=6, ttl=60),
            preferences=KnownPreferences(redis, ttl=60),
            config=GenerationConfig(system_prompt="You see.", max_tokens=64, context_tokens=4096),
            **parts,
        )

    async def turns_told(self) -> int:
        """How many earlier turns the model would be told of."""
        conversation = Conversation(self.redis, "s", turns=6, ttl=60)
        async with self.redis.pipeline() as trip:
            conversation.add_load(trip)
            return len(conversation.read((await trip.execute())[0]))

    async def ask(self, *, live: bool = False) -> None:
        await self.questions.create(
            NewQuestion(session_id="s", id="q", text="What?", asker="session:s", live=live)
        )
        await self.frames.put("s", "f", PICTURE)
        assert await self.turns.push("s", "q", frame_id="f")

    async def answer(self) -> asyncio.Task[Answered | None]:
        """Begin to answer; return once the model has been asked."""
        task = asyncio.create_task(self.generation.answer_next(per_asker=9))
        await asyncio.wait_for(self.model.asked.wait(), 10)
        return task

    async def until_renewed(self, times: int) -> None:
        async with asyncio.timeout(10):
            while self.questions.renewals < times:
                await asyncio.sleep(0.005)


async def end_of(task: asyncio.Task[Answered | None]) -> Answered | None:
    """Return how it ended by itself: `asyncio.wait_for` would end it, and call that a result."""
    done, _ = await asyncio.wait({task}, timeout=30)
    assert done, "The answer did not end."
    return task.result()


@pytest.fixture
async def world(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> World:
    """A world with one question; with the parameter True live mode has asked it."""
    monkeypatch.setattr(generation, "LEASE_RENEWAL_SECONDS", 0.01)
    monkeypatch.setattr(redis_outage, "RETRY_SECONDS", 0.01)
    world = World(redis)
    await world.ask(live=getattr(request, "param", False))
    return world


async def test_an_answer_is_whole_and_its_frame_gone(world: World):
    task = await world.answer()
    world.model.free.set()
    assert await task == Answered("s", "answered", parked=False)
    assert world.events.finished == ["q"]
    assert await world.questions.batches("s", "q", after=0) == ["A red circle."]
    question = await world.questions.load("s", "q")
    assert question is not None
    assert question.state is State.DONE
    assert question.outcome["usage"] == {"prompt_tokens": 10, "completion_tokens": 4}
    assert await world.frames.get("s", "f") is None


@pytest.mark.parametrize(
    ("world", "outcome", "turns"), [(False, "answered", 1), (True, "told", 0)], indirect=["world"]
)
async def test_live_mode_leaves_the_conversation_alone(world: World, outcome: str, turns: int):
    task = await world.answer()
    world.model.free.set()
    assert await end_of(task) == Answered("s", outcome, parked=False)
    assert await world.turns_told() == turns


async def test_while_redis_is_away_the_answer_goes_on(world: World):
    world.questions.away = 5
    task = await world.answer()
    await world.until_renewed(6)
    world.model.free.set()
    answered = await task
    assert answered is not None
    assert answered.outcome == "answered"


@pytest.mark.parametrize("disturbance", ["refusals", "lost_replies"])
async def test_writes_that_fail_are_made_again_and_once(world: World, disturbance: str):
    task = await world.answer()
    failures = [REFUSAL, RedisConnectionError(), REFUSAL]
    setattr(world.questions, disturbance, failures)
    world.model.free.set()
    answered = await end_of(task)
    assert failures == []
    assert answered == Answered("s", "answered", parked=False)
    assert await world.questions.batches("s", "q", after=0) == ["A red circle."]
    assert world.events.finished == ["q"]
    question = await world.questions.load("s", "q")
    assert question is not None
    assert question.state is State.DONE


async def test_an_unforeseen_failure_is_told_at_once(
    world: World, caplog: pytest.LogCaptureFixture
):
    task = await world.answer()
    world.model.failure = RuntimeError("what the model said")
    world.model.free.set()
    answered = await end_of(task)
    assert answered is not None
    assert answered.outcome == "failed"
    question = await world.questions.load("s", "q")
    assert question is not None
    assert question.outcome["error"] == "internal_error"
    assert world.events.finished == ["q"]
    assert "RuntimeError at test_generation.py:" in caplog.text
    assert "what the model said" not in caplog.text


async def test_who_has_lost_the_question_stops_the_model(world: World):
    task = await world.answer()
    await world.questions.finish("s", "q", state=State.FAILED, outcome={"error": "cancelled"})
    answered = await end_of(task)
    assert answered is not None
    assert answered.outcome == "skipped"
    assert world.model.closed
    assert await world.questions.batches("s", "q", after=0) == []


async def test_a_frame_that_is_gone_is_said(world: World):
    await world.frames.drop("s", "f")
    answered = await world.generation.answer_next(per_asker=9)
    assert answered is not None
    assert answered.outcome == "failed"
    question = await world.questions.load("s", "q")
    assert question is not None
    assert question.outcome["error"] == "no_frame"
