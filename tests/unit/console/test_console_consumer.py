"""A console that fails stops watching: it used to be told of every change for ever."""

from typing import Any

import pytest

from apps.console.consumers import ConsoleConsumer


class Failing(ConsoleConsumer):
    """Fails once it has subscribed."""

    stopped = 0

    async def connect(self) -> None:
        self._stop = self._count
        raise RuntimeError

    def _count(self) -> None:
        self.stopped += 1


@pytest.mark.usefixtures("redis_server")
async def test_a_failing_console_stops_watching_once():
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    consumer = Failing()
    with pytest.raises(RuntimeError):
        await consumer({"type": "websocket"}, receive, send)
    assert consumer.stopped == 1
    await consumer.disconnect(1000)
    assert consumer.stopped == 1
