"""The console's WebSocket: what goes on, for staff, again every second."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from apps.console.access import NotWelcome, Visitor, visitor_of
from apps.console.rows import Row, changes
from apps.console.watch import View
from apps.contract import CloseCode

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0


def _greeting(visitor: Visitor) -> Row:
    """Who watches, and what they may do; told again when that changes."""
    return {"version": settings.VERSION, "me": asdict(visitor)}


class ConsoleConsumer(AsyncWebsocketConsumer):
    """One open console. The first message of each kind is whole, later ones tell what changed."""

    def __init__(self) -> None:
        super().__init__()
        self._stop: Callable[[], None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._newest: View | None = None
        self._told: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the console; however this ends, the watching ends with it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Channels calls it for a client that left, but not after an exception in a handler.
            await self.disconnect(CloseCode.RESTARTING)

    async def connect(self) -> None:
        """Accept, then close with a code of ours for those who may not look."""
        await self.accept()
        visitor = await self._welcome()
        if visitor is None:
            return
        await self._say_if_new("hello", _greeting(visitor))
        self._checking = asyncio.create_task(self._check_again_and_again())
        self._stop = self.scope["console_watch"].subscribe(self._on_view)

    async def disconnect(self, code: int) -> None:
        """Stop watching. May be called again."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        for task in (self._checking, self._sending):
            if task is not None:
                task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a ping; everything that an operator does goes over HTTP."""
        if text_data == '{"type":"ping"}':
            await self._say("pong")

    def _on_view(self, view: View) -> None:
        """Send what is new, unless the last is still being sent: then the newer one replaces it."""
        self._newest = view
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_newest())

    async def _send_newest(self) -> None:
        view, self._newest = self._newest, None
        if view is None:
            return
        await self._say_if_new("settings", {"rows": view.settings})
        if "hour" not in self._told:
            self._told["hour"] = True
            await self._say("hour", minutes=view.hour)
        await self._say_if_new("minute", view.hour[-1])
        await self._say("now", **view.now)
        await self._say_sessions(view.sessions)
        await self._say_if_new("servers", {"rows": view.servers})
        await self._say_if_new("workers", {"rows": view.workers, "gpus": view.gpus})

    async def _say_sessions(self, sessions: dict[str, Row]) -> None:
        told = self._told.get("sessions")
        self._told["sessions"] = sessions
        if told is None:
            await self._say("sessions", full=True, rows=list(sessions.values()), gone=[])
            return
        changed, gone = changes(sessions, told)
        if changed or gone:
            await self._say("sessions", full=False, rows=changed, gone=gone)

    async def _say_if_new(self, kind: str, body: Row) -> None:
        if self._told.get(kind) != body:
            self._told[kind] = body
            await self._say(kind, **body)

    async def _say(self, kind: str, **body: Any) -> None:
        message = {"type": kind, **body}
        await self.send(text_data=json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def _check_again_and_again(self) -> None:
        """Close for somebody who has logged out, or may not look any more."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                visitor = await self._welcome()
            except Exception as error:  # The database may be away; who may look is asked again.
                logger.warning("A console's user can't be read: %s", type(error).__name__)
                continue
            if visitor is None:
                return
            await self._say_if_new("hello", _greeting(visitor))

    async def _welcome(self) -> Visitor | None:
        """Whose login cookie this is; closes, and returns None, for those who may not look."""
        cookie = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        try:
            visitor: Visitor = await database_sync_to_async(visitor_of)(cookie)
        except NotWelcome as refusal:
            logged_in = refusal.logged_in
            code = CloseCode.FORBIDDEN if logged_in else CloseCode.NOT_AUTHENTICATED
            await self.close(int(code))
            return None
        return visitor
