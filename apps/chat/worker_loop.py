"""The inference worker's event loop: one thread for the life of the process.

Celery's tasks are plain functions on a thread pool, and the work is asynchronous. A loop that
lives on keeps the connections to the model servers and to Redis open between answers.
"""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from apps.chat import presence
from apps.chat.redis_client import async_redis

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


def worker_name() -> str:
    """Return a name that no other worker process has."""
    return f"{socket.gethostname()}:{os.getpid()}"


class WorkerLoop:
    """Owns a thread with an event loop; announces the worker while it runs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="worker-loop", daemon=True
        )
        self._thread.start()
        self._beat = asyncio.run_coroutine_threadsafe(self._announce(), self._loop)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run ``work`` on the loop and wait for its result in the calling thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self._beat.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _announce(self) -> None:
        while True:
            try:
                await presence.announce_worker(async_redis(), worker_name())
            except Exception as error:  # Redis may be away; the worker goes on all the same.
                logger.warning("The worker can't announce itself: %s", type(error).__name__)
            await asyncio.sleep(presence.WORKER_BEAT_SECONDS)


@cache
def worker_loop() -> WorkerLoop:
    """Return this process's loop, started at first use."""
    return WorkerLoop()
