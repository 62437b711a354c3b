"""A console that fails unsubscribes: else every state would go to it for ever."""

from typing import Any

import pytest

from apps.console.consumers import ConsoleConsumer


class Failure(Exception):
    """What nobody foresaw."""


class Failing(ConsoleConsumer):
    """Fails once it has subscribed; it needs no channel layer."""

    channel_layer_alias = "none"
    stopped = 0

    async def connect(self) -> None:
        self._unsubscribe = self._count
        raise Failure

    def _count(self) -> None:
        self.stopped += 1


# Channels looks at the database's connections before each handler.
@pytest.mark.django_db(transaction=True)
async def test_a_failing_console_stops_watching_once():
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    consumer = Failing()
    with pytest.raises(Failure):
        await consumer({"type": "websocket"}, receive, send)
    assert consumer.stopped == 1
    await consumer.disconnect(1000)
    assert consumer.stopped == 1
