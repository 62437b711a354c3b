"""One answer, from claim to end: frame, prompt, stream, batch, publish.

Runs in an inference worker. Knows Redis keys only through its stores.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from redis.exceptions import RedisError

from apps.chat.batching import ReplyBatcher
from apps.chat.conversation import Conversation
from apps.chat.events import Events
from apps.chat.failures import kind_and_place
from apps.chat.fairness import FairQueue
from apps.chat.known_preferences import KnownPreferences
from apps.chat.preferences import GenerationConfig, shaped
from apps.chat.protocol import FrameInfo
from apps.chat.questions import Question, QuestionStore, State
from apps.chat.redis_outage import retried
from apps.contract import ErrorCode, Refusal
from apps.fleet.statistics import Statistics
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame
from apps.inference.client import ModelServers
from apps.inference.completion import Usage
from apps.inference.prompts import PromptBudget, Turn, build_messages

logger = logging.getLogger(__name__)

LEASE_MS = 6000
LEASE_RENEWAL_SECONDS = 0.5

Outcome = Literal["answered", "told", "failed", "skipped"]
"""``told`` is live mode's ``answered``; ``skipped``: cancelled, or its session has ended."""


@dataclass(frozen=True)
class Answered:
    """Whose question was taken, and what became of it.

    Attributes:
        parked: a call for a worker was parked, and is due now.
    """

    session_id: str
    outcome: Outcome
    parked: bool


class AnswerLost(Exception):
    """The question is no longer this worker's: cancelled, ended, or given to another attempt."""


@dataclass
class _Progress:
    """What is known of an answer while it streams; times are monotonic seconds."""

    requested_at: float
    batches: int = 0
    first_token_at: float | None = None
    text: str = ""
    usage: Usage | None = None


@dataclass(frozen=True)
class _End:
    """How a question ends: `outcome` as the store takes it, and the answer's `text`."""

    state: State
    outcome: dict[str, Any]
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Answers questions with the model servers.

    Attributes:
        worker: this worker's name, written into the lease.
        conversation: makes the conversation of a session id.
        config: what shapes an answer for who has no preferences.
    """

    worker: str
    questions: QuestionStore
    turns: FairQueue
    frames: FrameStore
    statistics: Statistics
    conversation: Callable[[str], Conversation]
    events: Events
    servers: ModelServers
    preferences: KnownPreferences
    config: GenerationConfig

    async def answer_next(self, *, per_asker: int) -> Answered | None:
        """Answer the question whose turn it is; ``None`` when none has.

        Args:
            per_asker: answers to questions that one asker may have under way.
        """
        question = await self.turns.take(
            worker=self.worker,
            lease_ms=LEASE_MS,
            now=time.time(),
            per_asker=per_asker,
        )
        if question is None:
            return None
        outcome = await self._guarded(question)
        return Answered(question.session_id, outcome, parked=await self.turns.unpark())

    async def _guarded(self, question: Question) -> Outcome:
        work = asyncio.create_task(self._attempt(question))
        guard = asyncio.create_task(self._keep_lease(question, work))
        try:
            return await self._end(question, await work)
        except (AnswerLost, asyncio.CancelledError):
            return "skipped"
        finally:
            guard.cancel()

    async def _attempt(self, question: Question) -> _End:
        """Return how the question ends; whether it may is for the store to say."""
        try:
            return await self._generate(question)
        except AnswerLost:
            raise
        except Refusal as refusal:
            return _End(State.FAILED, refusal.as_dict())
        except Exception as error:
            # Whatever it was, the asker is told now, not when the lease has run out.
            logger.error("An answer failed: %s", kind_and_place(error))
            internal = Refusal(ErrorCode.INTERNAL_ERROR, "The answer failed; please ask again.")
            return _End(State.FAILED, internal.as_dict())

    async def _end(self, question: Question, end: _End) -> Outcome:
        ours = await self._finish(question, end.state, end.outcome)
        if end.state is State.FAILED:
            return "failed"
        if ours:
            whole = time.time() - question.asked_at
            await self.statistics.answered(first=end.outcome["ttft"], whole=whole)
        if question.live:
            return "told"
        if ours:
            turn = Turn(question.text, end.text, question.frame_id)
            await self.conversation(question.session_id).add(turn)
        return "answered"

    async def _keep_lease(self, question: Question, work: asyncio.Task[_End]) -> None:
        """Say that the question is being answered; stop the work once it is no longer ours."""
        ours = True
        while ours:
            await asyncio.sleep(LEASE_RENEWAL_SECONDS)
            # While Redis is away nobody else can take the question over.
            with suppress(RedisError, OSError):
                ours = await self.questions.renew(
                    question.session_id,
                    question.id,
                    attempt=question.attempt,
                    worker=self.worker,
                    lease_ms=LEASE_MS,
                )
        work.cancel()

    async def _finish(self, question: Question, state: State, outcome: dict[str, Any]) -> bool:
        finish = partial(
            self.questions.finish,
            question.session_id,
            question.id,
            state=state,
            outcome=outcome,
            attempt=question.attempt,
            seconds=outcome.get("inference_time"),
        )
        ours = await retried(finish)
        if ours:
            # Kept before it is told, so that who is told may ask about it at once.
            if question.keep_frame:
                await self.frames.keep(question.session_id, question.frame_id)
            await self.events.answer_finished(question.session_id, question.id)
            if not question.keep_frame:
                await self.frames.drop(question.session_id, question.frame_id)
        return ours

    async def _generate(self, question: Question) -> _End:
        frame, history, config = await retried(partial(self._gather, question))
        if frame is None:
            detail = "The frame expired before the model was free for it."
            raise Refusal(ErrorCode.NO_FRAME, detail)
        messages = build_messages(
            question.text,
            frame=frame,
            system_prompt=config.system_prompt,
            history=history,
            budget=PromptBudget(
                context_tokens=config.context_tokens,
                response_tokens=config.max_tokens,
            ),
            frame_name=question.frame_id,
        )
        requested_at_epoch = time.time()
        progress = _Progress(requested_at=time.monotonic())
        await self._stream(question, messages, progress, max_tokens=config.max_tokens)
        response = self._response(question, frame, progress, requested_at_epoch)
        return _End(State.DONE, response, progress.text)

    async def _gather(
        self, question: Question
    ) -> tuple[EncodedFrame | None, list[Turn], GenerationConfig]:
        """What the prompt is made of, in one trip to Redis."""
        conversation = self.conversation(question.session_id)
        async with self.questions.redis.pipeline(transaction=False) as trip:
            self.frames.add_get(trip, question.session_id, question.frame_id)
            self.preferences.add_load(trip, question.asker)
            conversation.add_load(trip)
            frame, known, turns = await trip.execute()
        return (
            self.frames.read(frame),
            [] if question.live else conversation.read(turns),
            shaped(self.config, await self.preferences.of(question.asker, known)),
        )

    async def _stream(
        self,
        question: Question,
        messages: list[dict[str, Any]],
        progress: _Progress,
        *,
        max_tokens: int,
    ) -> None:
        batcher = ReplyBatcher()
        answer = self.servers.stream_chat(
            messages, max_tokens=max_tokens, session=question.session_id
        )
        # Closed at once, however this ends: that is what makes the model server stop.
        async with aclosing(answer) as parts:
            async for part in parts:
                if isinstance(part, Usage):
                    progress.usage = part
                    continue
                now = time.monotonic()
                if progress.first_token_at is None:
                    progress.first_token_at = now
                progress.text += part.text
                if not question.live:
                    await self._publish(question, progress, batcher.add(part.text, now=now))
        await self._publish(question, progress, batcher.flush())

    async def _publish(self, question: Question, progress: _Progress, batch: str) -> None:
        if not batch:
            return
        progress.batches += 1
        append = partial(
            self.questions.append,
            question.session_id,
            question.id,
            attempt=question.attempt,
            seq=progress.batches,
            text=batch,
        )
        if not await retried(append):
            raise AnswerLost
        await self.events.answer_batch(
            question.session_id, question.id, seq=progress.batches, text=batch
        )

    def _response(
        self,
        question: Question,
        frame: EncodedFrame,
        progress: _Progress,
        requested_at: float,
    ) -> dict[str, Any]:
        """Return the response without its text, which the batches hold (or, live, with it)."""
        ended_at = time.monotonic()
        waited = requested_at - question.asked_at
        first = (progress.first_token_at or ended_at) - progress.requested_at
        usage = progress.usage
        info = FrameInfo(
            age_ms=max(0, round((requested_at - frame.captured_at) * 1000)),
            width=frame.width,
            height=frame.height,
            captured_at=round(frame.captured_at * 1000),
        )
        response: dict[str, Any] = {
            "inference_time": round(ended_at - progress.requested_at, 4),
            "ttft": round(max(0.0, waited) + first, 4),
            "frame": asdict(info),
            "usage": {
                "prompt_tokens": usage.prompt_tokens if usage else 0,
                "completion_tokens": usage.completion_tokens if usage else 0,
            },
        }
        if question.live:
            response["text"] = progress.text
        return response
