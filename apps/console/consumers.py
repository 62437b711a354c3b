"""The console's WebSocket: the platform's state for staff, once a second."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from apps.accounts.login_sessions import SessionStore
from apps.accounts.models import User
from apps.console.access import may, permissions_of
from apps.console.polling import ConsoleState
from apps.console.serialization import Row, changed_rows
from apps.contract import CloseCode

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 5.0
"""How long somebody who has logged out may still look: no console is told of a logout."""


def _greeting(user: User) -> Row | None:
    """The message `hello`: the user, and what they may do. None: not even look at the console."""
    if not may(user, "view_console"):
        return None
    me = {"username": user.get_username(), "permissions": permissions_of(user)}
    return {"version": settings.VERSION, "me": me}


class ConsoleConsumer(AsyncWebsocketConsumer):
    """One open console. The first message of each kind is whole, later ones have what changed."""

    def __init__(self) -> None:
        super().__init__()
        self._unsubscribe: Callable[[], None] | None = None
        self._rechecking: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._newest: ConsoleState | None = None
        self._sent: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the console; however this ends, what it owns ends with it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Channels calls it for a client that left, but not after an exception in a handler.
            await self.disconnect(CloseCode.RESTARTING)

    async def connect(self) -> None:
        """Accept, then close with a code of ours for those who may not look."""
        # Accepted first: a browser does not tell the page why a handshake was refused.
        await self.accept()
        greeting = await self._authorize()
        if greeting is None:
            return
        await self._send_if_changed("hello", greeting)
        self._rechecking = asyncio.create_task(self._recheck_access())
        self._unsubscribe = self.scope["console_poller"].subscribe(self._on_state)

    async def disconnect(self, code: int) -> None:
        """Unsubscribe and end the tasks. May be called again."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for task in (self._rechecking, self._sending):
            if task is not None:
                task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a ping; everything that an operator does goes over HTTP."""
        if text_data == '{"type":"ping"}':
            await self._send_message("pong")

    def _on_state(self, state: ConsoleState) -> None:
        """Send it, unless an earlier one is still being sent: a slow client skips states."""
        self._newest = state
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_newest())

    async def _send_newest(self) -> None:
        state, self._newest = self._newest, None
        if state is None:
            return
        await self._send_if_changed("settings", {"rows": state.settings})
        if "hour" not in self._sent:
            self._sent["hour"] = True
            await self._send_message("hour", minutes=state.hour)
        await self._send_if_changed("minute", state.hour[-1])
        await self._send_message("now", **state.now)
        await self._send_sessions(state.sessions)
        await self._send_if_changed("servers", {"rows": state.servers})
        await self._send_if_changed("workers", {"rows": state.workers, "gpus": state.gpus})

    async def _send_sessions(self, sessions: dict[str, Row]) -> None:
        sent = self._sent.get("sessions")
        self._sent["sessions"] = sessions
        if sent is None:
            await self._send_message("sessions", full=True, rows=list(sessions.values()), gone=[])
            return
        changed, gone = changed_rows(sessions, sent=sent)
        if changed or gone:
            await self._send_message("sessions", full=False, rows=changed, gone=gone)

    async def _send_if_changed(self, kind: str, body: Row) -> None:
        if self._sent.get(kind) != body:
            self._sent[kind] = body
            await self._send_message(kind, **body)

    async def _send_message(self, kind: str, **body: Any) -> None:
        message = {"type": kind, **body}
        await self.send(text_data=json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def _recheck_access(self) -> None:
        """Close for somebody who has logged out, or may not look any more."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                greeting = await self._authorize()
            except Exception as error:  # The database may be away; it is asked again.
                logger.warning("A console's user can't be read: %s", type(error).__name__)
                continue
            if greeting is None:
                return
            await self._send_if_changed("hello", greeting)

    async def _authorize(self) -> Row | None:
        """The greeting for the login cookie's user; closes, and None, where they may not look."""
        # A new store each time: one reads the database once, and the login may have ended since.
        session = SessionStore(self.scope["cookies"].get(settings.SESSION_COOKIE_NAME))
        user = await get_user({"session": session})
        if not isinstance(user, User):
            await self.close(int(CloseCode.NOT_AUTHENTICATED))
            return None
        greeting: Row | None = await database_sync_to_async(_greeting)(user)
        if greeting is None:
            await self.close(int(CloseCode.FORBIDDEN))
        return greeting
