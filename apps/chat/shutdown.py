"""Says goodbye before the server stops."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

Work = Callable[[], Coroutine[Any, Any, None]]


def before_shutdown(work: Work, *, within: float) -> None:
    """Have ``work`` awaited when the process is asked to stop, while its connections still stand.

    ASGI's lifespan events are for this, but daphne has none. So the signal waits: no new connection
    is taken, ``work`` runs, ``within`` s at most, and then the server's own handler. Off the main
    thread, where no handler can be set, connections just end.
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
            stop_listening()
            tasks.add(loop.create_task(_work_then_stop(work, within, lambda: stop(number, None))))

        signal.signal(
            number,
            lambda *_, begin=begin: loop.call_soon_threadsafe(begin),
        )


def stop_listening() -> None:
    """Take no more connections, where daphne is the server; those there are stay.

    A proxy then goes to another server at once, and nobody begins what would soon be cut short.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None:
        return
    from twisted.internet.interfaces import IListeningPort

    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.stopListening()


async def _work_then_stop(work: Work, within: float, stop: Callable[[], Any]) -> None:
    try:
        async with asyncio.timeout(within):
            await work()
    finally:
        stop()
