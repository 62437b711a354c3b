"""Takes a question in, brings it a frame, and hands it to the inference workers."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from asgiref.sync import sync_to_async

from apps.chat import presence
from apps.chat.events import Events
from apps.chat.limits import within_rate
from apps.chat.protocol import ProtocolError
from apps.chat.questions import QuestionStore, State
from apps.chat.tasks import answer_question
from apps.frames.privacy import FilterFailed
from apps.streaming.errors import CaptureFailed
from apps.streaming.host import MediaHost
from apps.streaming.peer import PeerSession

PEER_LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class AskLimits:
    """What one may ask.

    Attributes:
        chars: longest question, characters.
        per_minute: questions a minute of one user.
        depth: questions that may wait or run at once, of all users.
        stale_seconds: after this time a question no longer counts as waiting.
    """

    chars: int
    per_minute: int
    depth: int
    stale_seconds: float


class Snapshot(Protocol):
    """Takes, filters and stores the frame of a question."""

    async def __call__(self, peer: PeerSession, *, session_id: str, frame_id: str) -> object:
        """Raise an exception with ``code`` and ``detail`` when there is no frame to be had."""


async def dispatch(session_id: str, question_id: str, attempt: int) -> None:
    """Hand a question to the inference workers; only ids cross the broker."""
    # Publishing is blocking I/O of about a millisecond: not on the event loop.
    publish = sync_to_async(answer_question.delay, thread_sensitive=False)
    await publish(session_id, question_id, attempt)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a process needs to take questions.

    Attributes:
        limits: gives those in force.
        wait: how long a question waits for a peer connection to come up, s.
    """

    questions: QuestionStore
    events: Events
    host: MediaHost
    snapshot: Snapshot
    limits: Callable[[], AskLimits]
    wait: float

    async def take(self, session_id: str, question_id: str, *, text: str, asker: str) -> int:
        """Accept a question and return its place in the queue, 1 for the next.

        Args:
            asker: whose questions are counted together, such as a user's id.

        Raises:
            ProtocolError: ``question_too_long``, ``rate_limited``, ``busy``, or ``bad_request``
                for an id that was used before.
        """
        limits = self.limits()
        if len(text) > limits.chars:
            detail = f"A question may have {limits.chars} characters at most."
            raise ProtocolError("question_too_long", detail, id=question_id)
        per_minute = limits.per_minute
        if not await within_rate(self.questions.redis, f"ask:{asker}", per_minute=per_minute):
            detail = f"You may ask {per_minute} questions a minute; wait a little."
            raise ProtocolError("rate_limited", detail, id=question_id)
        depth = await self.questions.depth(older_than=time.time() - limits.stale_seconds)
        if depth >= limits.depth:
            detail = f"The model is busy with {depth} questions; try again in a few seconds."
            raise ProtocolError("busy", detail, id=question_id)
        if not await self.questions.create(session_id, question_id, text=text, live=False):
            detail = "This id was used for a question before."
            raise ProtocolError("bad_request", detail, id=question_id)
        return depth + 1

    async def bring_frame(self, session_id: str, question_id: str) -> None:
        """Have a frame taken for a question, here or in the process that holds the stream.

        A question that came before the stream waits for it.
        """
        deadline = time.monotonic() + self.wait
        while time.monotonic() < deadline:
            peer = self.host.get(session_id)
            if peer is not None:
                await self.take_frame(peer, session_id, question_id)
                return
            if await presence.has_stream(self.questions.redis, session_id):
                await self.events.frame_wanted(session_id, question_id)
                return
            await asyncio.sleep(PEER_LOOK_SECONDS)
        await self.fail(session_id, question_id, "no_stream", "Start the camera first, then ask.")

    async def take_frame(self, peer: PeerSession, session_id: str, question_id: str) -> None:
        """Take a frame from the peer connection of this process and dispatch the question."""
        try:
            await self.snapshot(peer, session_id=session_id, frame_id=question_id)
        except (CaptureFailed, FilterFailed) as error:
            await self.fail(session_id, question_id, error.code, error.detail)
            return
        await self.questions.set_frame(session_id, question_id, frame_id=question_id)
        await dispatch(session_id, question_id, 1)

    async def fail(self, session_id: str, question_id: str, code: str, detail: str) -> None:
        """End a question with an error and say so."""
        outcome = {"error": code, "detail": detail}
        if await self.questions.finish(
            session_id, question_id, state=State.FAILED, outcome=outcome
        ):
            await self.events.answer_finished(session_id, question_id)
