"""Live mode: a standing prompt, answered on one fresh frame after the other.

The next frame is taken when the answer to the last one is there, so at most one is in flight. One
that waits for the model is replaced by a newer one as time goes by, so every answer is about the
newest frame. Where the scene has not changed since the last answer, that answer stands.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.chat.asking import Asking
from apps.chat.protocol import Error, LiveText, ServerMessage, store_away
from apps.chat.questions import NewQuestion, State
from apps.contract import Refusal
from apps.streaming.types import CapturePurpose

PAUSE_AFTER_ERROR_SECONDS = 1.0
RENEWAL_SECONDS = 0.5


@dataclass(frozen=True)
class _Answer:
    """The last answer of the model: what it was asked, what it said, and when (monotonic, s)."""

    prompt: str
    text: str
    at: float


class LiveMode:
    """Runs live mode for one socket.

    Args:
        prompt: the standing question; may be changed while running.
        rate: answers a second at most.
        refresh: after so many seconds the model is asked again, changed scene or not.
        asker: whom the model answers, for turns and limits.
        follow: told the id of each question; ``finish`` must follow when it has ended.
        leave: told the id of a question whose end matters no more.
        refused: told why a frame was not asked about.
    """

    def __init__(
        self,
        session_id: str,
        *,
        asking: Asking,
        prompt: str,
        rate: float,
        refresh: float,
        asker: str,
        follow: Callable[[str], None],
        leave: Callable[[str], None],
        refused: Callable[[Refusal], Awaitable[None]],
    ) -> None:
        self.prompt = prompt
        self.rate = rate
        self._session_id = session_id
        self._asking = asking
        self._refresh = refresh
        self._asker = asker
        self._follow = follow
        self._leave = leave
        self._refused = refused
        self._current = ""
        self._asked = ""
        self._finished = asyncio.Event()
        self._failed = False
        self._stopped = False
        self._last: _Answer | None = None

    def owns(self, question_id: str) -> bool:
        """Return whether a question is the one in flight."""
        return bool(question_id) and question_id == self._current

    def finish(self, message: ServerMessage) -> ServerMessage:
        """The answer in flight is there; return what to tell the client."""
        self._finished.set()
        match message:
            case LiveText(unchanged=True) if self._last is not None:
                return replace(message, text=self._last.text)
            case LiveText():
                self._last = _Answer(self._asked, message.text, time.monotonic())
            case Error():
                # Its frame is what the next one would be compared with.
                self._failed, self._last = True, None
            case _:
                pass
        return message

    def stop(self) -> None:
        """Ask no more; whoever runs ``run`` cancels it, too.

        Python 3.11 may lose a cancellation (cpython issue 86296: ``asyncio.wait_for``, within a
        Redis command), so that alone would not always end it.
        """
        self._stopped = True
        self._finished.set()

    async def run(self) -> None:
        """Ask again and again until stopped."""
        while not self._stopped:
            began = time.monotonic()
            self._failed = False
            try:
                await self._ask_once()
            except Refusal as refusal:
                self._failed = True
                await self._refused(refusal)
            except (RedisError, OSError, OperationalError):
                self._failed, self._last = True, None
                await self._refused(store_away())
            pause = 1 / self.rate - (time.monotonic() - began)
            if self._failed:
                pause = max(pause, PAUSE_AFTER_ERROR_SECONDS)
            await asyncio.sleep(max(0.0, pause))

    async def _ask_once(self) -> None:
        self._finished.clear()
        self._current = f"live-{uuid4().hex}"
        self._asked = self.prompt
        new = NewQuestion(
            session_id=self._session_id,
            id=self._current,
            text=self._asked,
            asker=self._asker,
            live=True,
        )
        await self._asking.take_live(new)
        self._follow(self._current)
        try:
            await self._asking.bring_frame(self._session_id, self._current, wish=self._wish())
            await self._until_finished()
        finally:
            self._leave(self._current)
            await self._asking.questions.drop(self._session_id, self._current)

    def _wish(self) -> CapturePurpose:
        last = self._last
        if last is None or last.prompt != self._asked:
            return "live"
        is_due = time.monotonic() - last.at >= self._refresh
        return "live" if is_due else "live_if_changed"

    async def _until_finished(self) -> None:
        """Wait for the answer; while the model is not free for it, keep its frame fresh."""
        waits = True
        while not (self._finished.is_set() or self._stopped):
            patience = max(RENEWAL_SECONDS, 1 / self.rate) if waits else None
            try:
                async with asyncio.timeout(patience):
                    await self._finished.wait()
            except TimeoutError:
                waits = await self._renew_frame()

    async def _renew_frame(self) -> bool:
        """Exchange the frame of a question that waits for its turn; ``False`` when none does."""
        question = await self._asking.questions.load(self._session_id, self._current)
        if question is None or question.state is not State.WAITING:
            return False
        if question.frame_id:
            await self._asking.bring_frame(self._session_id, self._current, wish="live_again")
        return True
