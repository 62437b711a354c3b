"""Takes a question in, brings it a frame, and queues it for the inference workers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.chat import metrics
from apps.chat.admission import AskLimits, admit
from apps.chat.events import Events
from apps.chat.fairness import FairQueue
from apps.chat.protocol import FrameInfo
from apps.chat.questions import NewQuestion, QuestionStore, State
from apps.chat.tasks import answer_next
from apps.contract import ErrorCode, Refusal
from apps.fleet import presence
from apps.fleet.queue_depth import Depth
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame
from apps.streaming.capture import SceneUnchanged
from apps.streaming.host import MediaHost
from apps.streaming.peer import PeerSession
from apps.streaming.types import CapturePurpose

logger = logging.getLogger(__name__)

PEER_LOOK_SECONDS = 0.05
ASK_AGAIN_SECONDS = 1.0


def busy_detail(depth: Depth) -> str:
    """Say how much there is to do, and for how long if that is known."""
    count = depth.questions + depth.live
    when = f"about {ceil(depth.wait)} seconds" if depth.wait > 1 else "a few seconds"
    questions = "a question" if count == 1 else f"{count} questions"
    return f"The model is busy with {questions}; try again in {when}."


class Snapshot(Protocol):
    """Takes, filters and encodes the frame of a question."""

    async def __call__(self, peer: PeerSession, *, wish: CapturePurpose) -> EncodedFrame:
        """Raise a `Refusal` when there is no frame to be had, or
        ``SceneUnchanged`` when none is needed."""


async def call_worker() -> None:
    """Tell the inference workers that there is work.

    A call that can't be made costs nothing but time: whoever watches over the question calls again.
    """
    try:
        # Publishing is blocking I/O of about a millisecond: not on the event loop.
        await sync_to_async(answer_next.delay, thread_sensitive=False)()
    except (OperationalError, RedisError, OSError) as error:
        metrics.EVENTS_LOST.inc()
        logger.warning("The workers were not called: %s", type(error).__name__)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a process needs to take questions.

    Attributes:
        limits: gives those in force.
        call: tells the workers that there is work.
        wait: how long a question waits for a peer connection to come up, s.
    """

    questions: QuestionStore
    turns: FairQueue
    frames: FrameStore
    events: Events
    host: MediaHost
    snapshot: Snapshot
    limits: Callable[[], AskLimits]
    wait: float
    call: Callable[[], Awaitable[None]] = call_worker

    async def take(self, new: NewQuestion) -> int:
        """Accept a person's question and return its place in the fair order, 1 for the next.

        Raises:
            Refusal: ``question_too_long``, ``rate_limited``, ``busy``, or ``bad_request``
                for an id that was used before.
        """
        limits = self.limits()
        if len(new.text) > limits.chars:
            detail = f"A question may have {limits.chars} characters at most."
            raise Refusal(ErrorCode.QUESTION_TOO_LONG, detail, id=new.id)
        answer = await admit(self.questions, new, limits)
        if isinstance(answer, int):
            return answer
        match answer:
            case ErrorCode.RATE_LIMITED:
                most = limits.per_minute
                detail = f"You may ask {most} questions a minute; wait a little."
            case ErrorCode.BUSY:
                detail = busy_detail(await self._depth(limits))
            case _:
                detail = "This id was used for a question before."
        raise Refusal(answer, detail, id=new.id)

    async def take_live(self, new: NewQuestion) -> None:
        """Accept one frame's question of live mode.

        Raises:
            Refusal: ``busy`` when questions and live mode together fill the queue.
        """
        limits = self.limits()
        depth = await self._depth(limits)
        if depth.questions + depth.live >= limits.depth:
            raise Refusal(ErrorCode.BUSY, busy_detail(depth))
        await self.questions.create(new)

    async def _depth(self, limits: AskLimits) -> Depth:
        return await self.questions.depth(older_than=time.time() - limits.stale_seconds)

    async def bring_frame(
        self, session_id: str, question_id: str, *, wish: CapturePurpose = "asked"
    ) -> None:
        """Have a frame taken for a question, here or in the process that holds the stream.

        A question that came before the stream waits for it. Another process is asked until the
        question has its frame: the one that told of the stream may have died since, and the page
        be on its way to this process or a third.
        """
        deadline = time.monotonic() + self.wait
        held, asked_at = False, float("-inf")
        while (now := time.monotonic()) < deadline:
            peer = self.host.get(session_id)
            if peer is not None:
                await self.take_frame(peer, session_id, question_id, wish=wish)
                return
            held = await presence.has_stream(self.questions.redis, session_id)
            if held and now - asked_at >= ASK_AGAIN_SECONDS:
                await self.events.frame_wanted(session_id, question_id, wish=wish)
                asked_at = now
            if held and await self._is_provided(session_id, question_id):
                return
            await asyncio.sleep(PEER_LOOK_SECONDS)
        if not held:  # Or else the other process still waits for the camera, and says what came.
            no_stream = Refusal(ErrorCode.NO_STREAM, "Start the camera first, then ask.")
            await self.fail(session_id, question_id, no_stream)

    async def _is_provided(self, session_id: str, question_id: str) -> bool:
        """Return whether a question has its frame, or needs none any more."""
        question = await self.questions.load(session_id, question_id)
        return question is None or question.state is not State.WAITING or bool(question.frame_id)

    async def reuse_frame(self, session_id: str, question_id: str, *, of: str) -> None:
        """Queue a question about the frame of an earlier one, or end it with ``frame_gone``."""
        earlier = await self.questions.load(session_id, of)
        if earlier and await self.frames.is_kept(session_id, earlier.frame_id):
            # Kept on while the question waits; the image's name stays, so that the model server
            # finds it among those it has encoded.
            await self.frames.keep(session_id, earlier.frame_id)
            await self.queue(session_id, question_id, frame_id=earlier.frame_id)
            return
        detail = "That picture is not kept any more; ask about what the camera sees now."
        await self.fail(session_id, question_id, Refusal(ErrorCode.FRAME_GONE, detail))

    async def take_frame(
        self, peer: PeerSession, session_id: str, question_id: str, *, wish: CapturePurpose
    ) -> None:
        """Take a frame from the peer connection of this process and queue the question."""
        try:
            frame = await self.snapshot(peer, wish=wish)
        except SceneUnchanged as same:
            await self._tell_unchanged(session_id, question_id, same)
        except Refusal as refusal:
            await self.fail(session_id, question_id, refusal)
        else:
            if wish == "live_again":
                await self.frames.put(session_id, question_id, frame)
            else:
                await self._store_and_queue(session_id, question_id, frame)

    async def _store_and_queue(
        self, session_id: str, question_id: str, frame: EncodedFrame
    ) -> None:
        """Store the frame and let its question wait for its turn, in one trip to Redis."""
        async with self.questions.redis.pipeline(transaction=False) as trip:
            self.frames.add_put(trip, session_id, question_id, frame)
            self.turns.add_push(trip, session_id, question_id, frame_id=question_id)
            _, waits = await trip.execute()
        if waits:
            await self.call()

    async def _tell_unchanged(
        self, session_id: str, question_id: str, same: SceneUnchanged
    ) -> None:
        info = FrameInfo(
            age_ms=max(0, round((time.time() - same.captured_at) * 1000)),
            width=same.width,
            height=same.height,
            captured_at=round(same.captured_at * 1000),
        )
        await self._finish(
            session_id, question_id, State.DONE, {"unchanged": True, "frame": asdict(info)}
        )

    async def queue(self, session_id: str, question_id: str, *, frame_id: str = "") -> None:
        """Let a question wait for its turn; one that has ended meanwhile is left alone.

        Args:
            frame_id: names its stored frame, empty when it has one already.
        """
        if await self.turns.push(session_id, question_id, frame_id=frame_id):
            await self.call()

    async def fail(self, session_id: str, question_id: str, refusal: Refusal) -> None:
        """End a question with an error and say so."""
        await self._finish(session_id, question_id, State.FAILED, refusal.as_dict())

    async def _finish(
        self, session_id: str, question_id: str, state: State, outcome: dict[str, Any]
    ) -> None:
        if await self.questions.finish(session_id, question_id, state=state, outcome=outcome):
            await self.events.answer_finished(session_id, question_id)
