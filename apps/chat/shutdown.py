"""Says goodbye before the server stops."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

GOODBYE_SECONDS = 3.0


def before_shutdown(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have ``work`` awaited when the process is told to stop, while its connections still stand.

    ASGI's lifespan events are for this, but daphne has none. So the signal waits: ``work`` runs
    first, ``GOODBYE_SECONDS`` at most, then the server's own handler. Off the main thread, where
    no handler can be set, connections just end.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        stop = signal.getsignal(number)
        if not callable(stop):
            continue

        def begin(number: int = number, stop: Callable[..., Any] = stop) -> None:
            signal.signal(number, stop)  # A second signal stops at once.
            tasks.add(loop.create_task(_work_then_stop(work, lambda: stop(number, None))))

        signal.signal(
            number,
            lambda *_, begin=begin: loop.call_soon_threadsafe(begin),
        )


async def _work_then_stop(
    work: Callable[[], Coroutine[Any, Any, None]], stop: Callable[[], Any]
) -> None:
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await work()
    finally:
        stop()
