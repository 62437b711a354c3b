"""What an unforeseen failure in a WebSocket does, in one place.

A consumer that fails is logged by kind and place, never with its message, which may quote what a
client sent; its socket closes with 1012, so that the client comes back at once. A consumer ends
what it owns in its own `__call__`.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from autobahn.exception import Disconnected

from apps.chat.failures import kind_and_place
from apps.contract import CloseCode

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Any, Send], Awaitable[None]]


class SocketErrorBoundary:
    """ASGI wrapper around the application that serves WebSockets."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        """Serve one socket; raise nothing but a cancellation."""

        async def send_unless_gone(message: Message) -> None:
            # daphne raises when its side of the socket is closing already: the client has left, or
            # was told to. The disconnect message that follows is what ends the consumer.
            try:
                await send(message)
            except Disconnected:
                return

        try:
            await self._application(scope, receive, send_unless_gone)
        except Exception as error:
            logger.error("A socket failed: %s", kind_and_place(error))
            await send_unless_gone({"type": "websocket.close", "code": int(CloseCode.RESTARTING)})
