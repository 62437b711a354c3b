"""Ties this process's peer connections to the rest of the platform.

Other processes ask for frames and end sessions over the channel layer; the sockets of a session,
wherever they are, hear of its stream's state; a peer connection that no socket belongs to closes.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from channels.layers import get_channel_layer

from apps.chat.asking import Asking
from apps.chat.events import media_group
from apps.chat.services import Services
from apps.fleet import presence
from apps.fleet.process_name import process_name
from apps.streaming.host import MediaHost
from apps.streaming.types import CapturePurpose, StreamState

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
STREAM_TTL_SECONDS = 8
RETRY_SECONDS = 0.5


class MediaRelay:
    """Owns two tasks: one hears the channel layer, one sweeps over the peer connections.

    Args:
        grace: how long a peer connection outlives its socket, s.
    """

    def __init__(
        self, *, host: MediaHost, asking: Asking, services: Services, grace: float
    ) -> None:
        self._host = host
        self._asking = asking
        self._services = services
        self._grace = grace
        self._layer: Any = get_channel_layer()
        self._channel = ""
        self._streams: dict[str, StreamState] = {}
        self._alone_since: dict[str, float] = {}
        self._taking: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin; called once, on the event loop."""
        self._host.subscribe(self._on_stream)
        self._own(self._hear())
        self._own(self._sweep())

    async def aclose(self) -> None:
        """End what was started."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- From other processes ------------------------------------------------------------------

    async def _hear(self) -> None:
        """Receive on one channel that is in the media group of every session held here."""
        while True:
            try:
                self._channel = await self._layer.new_channel()
                for session_id in self._streams:
                    await self._layer.group_add(media_group(session_id), self._channel)
                while True:
                    self._handle(await self._layer.receive(self._channel))
            except Exception as error:  # Redis is away: begin again until it is back.
                logger.warning("The media relay lost its channel: %s", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    def _handle(self, event: dict[str, Any]) -> None:
        session_id = event["session_id"]
        if event["type"] == "frame.wanted":
            self._own(self._take_frame(session_id, event["id"], event["wish"]))
        elif event["type"] == "session.ended":
            self._own(self._host.close(session_id, "The session has ended."))

    async def _take_frame(self, session_id: str, question_id: str, wish: CapturePurpose) -> None:
        peer = self._host.get(session_id)
        name = (session_id, question_id)
        if peer is None or name in self._taking:  # Who waits for the frame asks more than once.
            return
        self._taking.add(name)
        try:
            await self._asking.take_frame(peer, session_id, question_id, wish=wish)
        finally:
            self._taking.discard(name)

    # --- To other processes --------------------------------------------------------------------

    def stream_of(self, session_id: str) -> StreamState | None:
        """Return the state of a session's stream when this process holds it."""
        return self._streams.get(session_id)

    def _on_stream(self, state: StreamState) -> None:
        if state.state == "closed":
            self._streams.pop(state.session_id, None)
        else:
            self._streams[state.session_id] = state
        self._own(self._announce(state))

    async def _announce(self, state: StreamState) -> None:
        redis = self._services.redis
        group = media_group(state.session_id)
        try:
            if state.session_id not in self._streams:
                await self._layer.group_discard(group, self._channel)
                await presence.withdraw_stream(redis, state.session_id)
                if not await presence.has_socket(redis, state.session_id):
                    await self._services.frames.forget(state.session_id)
            else:
                await self._layer.group_add(group, self._channel)
                facts = {state.session_id: self._facts(state)}
                await presence.announce_streams(redis, facts, ttl=STREAM_TTL_SECONDS)
            await self._services.events.stream_changed(state)
        except Exception as error:  # Redis is away: the sweep says it again.
            logger.warning("A stream's state went unheard: %s", type(error).__name__)

    def _facts(self, state: StreamState) -> dict[str, Any]:
        """What operators are shown of a stream: sizes in pixels, counts since it began."""
        peer = self._host.get(state.session_id)
        stats = peer.stats if peer else None
        return {
            "state": state.state,
            "width": stats.width if stats else state.width,
            "height": stats.height if stats else state.height,
            "fps": round(stats.fps, 1) if stats else state.fps,
            "frames_in": stats.frames_in if stats else 0,
            "frames_dropped": stats.frames_dropped if stats else 0,
            "error": state.error,
        }

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep(now=time.monotonic())
            except Exception as error:  # Redis is away: nothing is known, so nothing is closed.
                logger.warning("The sweep over streams failed: %s", type(error).__name__)

    async def sweep(self, *, now: float) -> None:
        """Renew what is known of each stream; close those without a socket for too long."""
        redis = self._services.redis
        facts = {session_id: self._facts(state) for session_id, state in self._streams.items()}
        await presence.announce_streams(redis, facts, ttl=STREAM_TTL_SECONDS)
        await self._services.statistics.streams(process_name(), len(facts))
        accompanied = await presence.with_sockets(redis, list(facts))
        for session_id in facts:
            if session_id in accompanied:
                self._alone_since.pop(session_id, None)
            elif now - self._alone_since.setdefault(session_id, now) >= self._grace:
                await self._host.close(session_id, "The page was closed.")
        for session_id in self._alone_since.keys() - self._streams.keys():
            del self._alone_since[session_id]
