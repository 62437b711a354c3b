"""Live mode: a standing prompt, answered on one fresh frame after the other.

The next frame is taken when the answer to the last one is there, so at most one is in flight,
none waits, and every answer is about the newest frame.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from redis.exceptions import RedisError

from apps.chat.asking import Asking
from apps.chat.protocol import ProtocolError

PAUSE_AFTER_ERROR_SECONDS = 1.0


class LiveMode:
    """Runs live mode for one socket.

    Args:
        prompt: the standing question; may be changed while running.
        rate: answers a second at most.
        asker: whom the model answers, for turns and limits.
        follow: told the id of each question; ``finish`` must follow when it has ended.
        refused: told why a frame was not asked about.
    """

    def __init__(
        self,
        session_id: str,
        *,
        asking: Asking,
        prompt: str,
        rate: float,
        asker: str,
        follow: Callable[[str], None],
        refused: Callable[[ProtocolError], Awaitable[None]],
    ) -> None:
        self.prompt = prompt
        self.rate = rate
        self._session_id = session_id
        self._asking = asking
        self._asker = asker
        self._follow = follow
        self._refused = refused
        self._current = ""
        self._finished = asyncio.Event()
        self._failed = False

    def owns(self, question_id: str) -> bool:
        """Return whether a question is the one in flight."""
        return bool(question_id) and question_id == self._current

    def finish(self, *, failed: bool) -> None:
        """The answer in flight is there."""
        self._failed = failed
        self._finished.set()

    async def run(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self._ask_once()
            except ProtocolError as error:
                self._failed = True
                await self._refused(error)
            except (RedisError, OSError):
                self._failed = True
            pause = 1 / self.rate - (time.monotonic() - began)
            if self._failed:
                pause = max(pause, PAUSE_AFTER_ERROR_SECONDS)
            await asyncio.sleep(max(0.0, pause))

    async def _ask_once(self) -> None:
        questions = self._asking.questions
        self._finished.clear()
        self._failed = False
        self._current = f"live-{uuid4().hex}"
        await self._asking.take_live(
            self._session_id, self._current, text=self.prompt, asker=self._asker
        )
        self._follow(self._current)
        try:
            await self._asking.bring_frame(self._session_id, self._current)
            await self._finished.wait()
        finally:
            await questions.drop(self._session_id, self._current)
