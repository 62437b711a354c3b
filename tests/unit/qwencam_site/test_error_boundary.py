"""An unforeseen failure in a WebSocket is logged without content and closes it with 1012."""

import asyncio
import logging
from typing import Any

import pytest
from autobahn.exception import Disconnected

from qwencam_site.error_boundary import SocketErrorBoundary

SECRET = "what the client said"


async def served(application: Any, *, gone_after: int = 1000) -> list[dict[str, Any]]:
    """Return what an application behind the boundary sent to a client that takes so much."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        if len(sent) >= gone_after:
            raise Disconnected("Attempt to send on a closed protocol")
        sent.append(message)

    await SocketErrorBoundary(application)({"type": "websocket"}, None, send)
    return sent


async def test_a_failure_closes_with_1012_and_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
):
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise KeyError(SECRET)

    sent = await served(application)
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1012}]
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "KeyError at test_error_boundary.py:" in record.getMessage()
    assert SECRET not in caplog.text
    assert record.exc_info is None


async def test_sending_to_a_client_that_has_left_is_no_failure(caplog: pytest.LogCaptureFixture):
    went_on = False

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal went_on
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": SECRET})
        went_on = True

    assert await served(application, gone_after=1) == [{"type": "websocket.accept"}]
    assert went_on
    assert not caplog.records


async def test_a_failure_after_the_client_has_left_raises_nothing():
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError(SECRET)

    assert await served(application, gone_after=0) == []


async def test_a_cancellation_passes():
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await served(application)
