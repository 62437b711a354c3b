"""Watches over one question until it ends, so that a lost worker never leaves it hanging."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.chat.questions import Question, QuestionStore, State
from apps.contract import ErrorCode, Refusal
from apps.fleet import presence

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LEASE_GRACE_SECONDS = 1.0
"""Twice the interval of a worker's renewals: it may have been kept from them by an outage."""

Queue = Callable[[str, str], Awaitable[None]]
Call = Callable[[], Awaitable[None]]
Tell = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a question may stay where it is, s.

    Attributes:
        frame: without a frame.
        turn: waiting while nothing is being answered; then the workers are called again.
        worker: waiting while no worker is known.
        answer: in all.
    """

    frame: float
    answer: float
    turn: float = 3.0
    worker: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Looks at a question every second and ends it, or has it answered again, when it is stuck.

    Attributes:
        queue: lets a question wait for its turn once more.
        call: tells the workers that there is work, lest a call that was lost leaves some.
        tell: tells the asker how the question has ended, or that it is known no more. Straight,
            not over the channel layer, which loses what is said while Redis is away.
    """

    questions: QuestionStore
    patience: Patience
    queue: Queue
    call: Call
    tell: Tell

    async def until_ended(self, session_id: str, question_id: str) -> None:
        """Return once the question has ended and its asker has been told.

        The time that Redis is away does not count: nothing could be done about the question then.
        """
        ended, outage_at = False, 0.0
        while not ended:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                ended = await self._look_once(session_id, question_id, since=outage_at)
            except (RedisError, OSError, OperationalError) as error:
                # What Redis has forgotten when it is back ends then.
                outage_at = time.time()
                logger.warning("A question can't be watched: %s", type(error).__name__)

    async def _look_once(self, session_id: str, question_id: str, *, since: float) -> bool:
        """Return whether the question has ended; act on it if not."""
        question = await self.questions.load(session_id, question_id)
        if question is None or question.state in {State.DONE, State.FAILED}:
            await self.tell(question_id)
            return True
        await self.look(question, since=since)
        return False

    async def look(self, question: Question, *, since: float = 0.0) -> None:
        """Do what the question's state and age ask for; the next look tells what failed here.

        Args:
            since: its age counts from here, s since the epoch, if it was asked before.
        """
        age = time.time() - max(question.asked_at, since)
        if question.state is State.RUNNING and await self._worker_is_lost(question):
            await self._replace_worker(question)
        elif question.state is State.WAITING and not question.frame_id:
            if age > self.patience.frame:
                detail = "No camera stream came; start the camera."
                await self._fail(question, ErrorCode.NO_STREAM, detail)
        elif age > self.patience.answer:
            detail = "The model took too long; ask again."
            await self._fail(question, ErrorCode.MODEL_TIMEOUT, detail)
        elif question.state is State.WAITING and age > self.patience.turn:
            await self._call_workers(question, age=age)

    async def _worker_is_lost(self, question: Question) -> bool:
        return await self.questions.worker_is_lost(
            question.session_id, question.id, grace=LEASE_GRACE_SECONDS
        )

    async def _replace_worker(self, question: Question) -> None:
        if await self.questions.retry(question.session_id, question.id):
            await self.queue(question.session_id, question.id)
            return
        # Between look and retry the answer may have ended: then this changes nothing.
        detail = "The worker that was answering has stopped; please ask again."
        await self._fail(question, ErrorCode.WORKER_LOST, detail)

    async def _call_workers(self, question: Question, *, age: float) -> None:
        if age > self.patience.worker and not await presence.workers(self.questions.redis):
            detail = "No inference worker is running; ask again."
            await self._fail(question, ErrorCode.WORKER_LOST, detail)
        elif not await self.questions.anything_runs():
            await self.call()

    async def _fail(self, question: Question, code: ErrorCode, detail: str) -> None:
        await self.questions.finish(
            question.session_id,
            question.id,
            state=State.FAILED,
            outcome=Refusal(code, detail).as_dict(),
            attempt=question.attempt,
        )
