"""Hands the process's media host to whatever answers a request."""

from typing import Any, Protocol

from apps.streaming.host import MediaHost


class Application(Protocol):
    """An ASGI 3 application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""


class MediaHostScope:
    """ASGI wrapper: every connection finds the host in `scope["media_host"]`."""

    def __init__(self, application: Application, host: MediaHost) -> None:
        """Wrap `application`."""
        self._application = application
        self._host = host

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        await self._application({**scope, "media_host": self._host}, receive, send)
