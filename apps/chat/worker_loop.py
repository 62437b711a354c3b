"""The inference worker's event loop: one thread for the life of the process.

Celery's tasks are plain functions on a thread pool, and the work is asynchronous. A loop that
lives on keeps the connections to the model servers and to Redis open between answers.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

from channels.db import database_sync_to_async

from apps.chat.service_notify import ALIVE, notify
from apps.fleet import presence
from apps.fleet.process_name import process_name
from apps.fleet.redis_client import async_redis
from apps.inference.gpus import read_gpus
from apps.live_settings.current import REFRESH_SECONDS, refresh

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class WorkerLoop:
    """Owns a thread with an event loop; announces the worker while it runs.

    Attributes:
        pool: how many answers the worker gives at once, 0 until known.
    """

    def __init__(self) -> None:
        self.pool = 0
        self._active = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="worker-loop", daemon=True
        )
        self._thread.start()
        self._beats = [
            asyncio.run_coroutine_threadsafe(beat, self._loop)
            for beat in (self._announce(), self._keep_settings_fresh())
        ]

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run ``work`` on the loop and wait for its result in the calling thread."""
        return asyncio.run_coroutine_threadsafe(self._counted(work), self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        for beat in self._beats:
            beat.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _counted(self, work: Coroutine[Any, Any, Result]) -> Result:
        self._active += 1
        try:
            return await work
        finally:
            self._active -= 1

    async def _facts(self) -> dict[str, Any]:
        """What operators are shown of this worker and its host."""
        found = await asyncio.to_thread(read_gpus)
        return {
            "pool": self.pool,
            "active": self._active,
            "host": socket.gethostname(),
            "gpus": [asdict(gpu) for gpu in found],
        }

    async def _announce(self) -> None:
        while True:
            try:
                notify(ALIVE)  # From the loop itself: one that hangs is silent, and restarted.
                facts = await self._facts()
                await presence.announce_worker(async_redis(), process_name(), facts)
            except Exception as error:  # Redis may be away; the worker goes on all the same.
                logger.warning("The worker can't announce itself: %s", type(error).__name__)
            await asyncio.sleep(presence.WORKER_BEAT_SECONDS)

    async def _keep_settings_fresh(self) -> None:
        """Read the live settings every second, so that no question waits for the database."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await database_sync_to_async(refresh)()
            except Exception as error:  # Whatever it is, the next second may do better.
                logger.warning("The live settings can't be read: %s", type(error).__name__)


@cache
def worker_loop() -> WorkerLoop:
    """Return this process's loop, started at first use."""
    return WorkerLoop()
