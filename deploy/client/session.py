"""A camera session over HTTP: opened with or without a password, its tokens kept fresh."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import httpx

from deploy.client.errors import Message, Refused

TIMEOUT_SECONDS = 30.0
REFRESH_SECONDS = 60.0
"""A token with less life than this is replaced first: clocks and networks need a bit."""


class Session:
    """The tokens of one camera session, and where the platform is.

    Attributes:
        url: of the platform, without a path.
        id: of the session.
        socket_url: where its socket is opened.
        ice_servers: what the platform offers for WebRTC, as browsers take it.
        access: the bearer token, good for a quarter of an hour.
    """

    def __init__(self, url: str, reply: Message) -> None:
        """Take what `POST /api/token` (or `manage.py issue_token`) has said."""
        self.url = url
        self.id: str = reply["session_id"]
        self.socket_url: str = reply["ws_url"]
        self.ice_servers: list[Message] = reply.get("ice_servers", [])
        self._take_tokens(reply)

    @classmethod
    async def open(cls, url: str, *, username: str = "", password: str = "") -> Self:
        """Open a session; without a username where the platform asks for none.

        Raises:
            Refused: with the codes and statuses of `POST /api/token`.
        """
        credentials = {"username": username, "password": password} if username else {}
        return cls(url, await _call("POST", f"{url}/api/token", json=credentials))

    async def fresh_access(self) -> str:
        """Return an access token that is good for a minute at least, a new one if need be."""
        if time.monotonic() > self._expires_at - REFRESH_SECONDS:
            url = f"{self.url}/api/token/refresh"
            # Each refresh token is good once: the pair is replaced as a whole.
            self._take_tokens(await _call("POST", url, json={"refresh": self._refresh}))
        return self.access

    async def call(self, method: str, path: str, **options: Any) -> Message:
        """Make a request in the session's name; return the reply's JSON, empty without one."""
        headers = {"Authorization": f"Bearer {await self.fresh_access()}"}
        return await _call(method, f"{self.url}{path}", headers=headers, **options)

    async def end(self) -> None:
        """End the session: its stream, its socket, its tokens, and what is kept of it."""
        with suppress(Refused):  # It is over already: ended by an operator, or idle.
            await self.call("DELETE", "/api/session")

    def _take_tokens(self, reply: Message) -> None:
        self.access: str = reply["access"]
        self._refresh: str = reply["refresh"]
        self._expires_at = time.monotonic() + reply["expires_in"]


@asynccontextmanager
async def open_session(
    url: str, *, username: str = "", password: str = ""
) -> AsyncIterator[Session]:
    """Open a session as `Session.open` does; end it when the context is left."""
    session = await Session.open(url, username=username, password=password)
    try:
        yield session
    finally:
        await session.end()


async def _call(method: str, url: str, **options: Any) -> Message:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
        reply = await http.request(method, url, **options)
    if reply.is_success:
        return dict(reply.json()) if reply.content else {}
    try:
        raise Refused.from_message(reply.json(), status=reply.status_code)
    except ValueError:  # Something in front of the platform has answered, such as a proxy.
        raise Refused("", f"HTTP {reply.status_code}", status=reply.status_code) from None
