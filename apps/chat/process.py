"""What one web process holds for its sockets and views, made once and handed on in the scope."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.conf import settings

from apps.chat.admission import AskLimits
from apps.chat.asking import Asking
from apps.chat.failures import kind_and_place
from apps.chat.relay import MediaRelay
from apps.chat.service_notify import ask_to_stop_within
from apps.chat.services import Services, services
from apps.chat.shutdown import before_shutdown
from apps.chat.watching import Patience, Tell, Watch
from apps.frames import privacy
from apps.frames.privacy import PrivacyPolicy
from apps.frames.types import EncodedFrame
from apps.live_settings.current import REFRESH_SECONDS, current, refresh
from apps.streaming.capture import snapshot
from apps.streaming.host import MediaHost
from apps.streaming.peer import PeerSession
from apps.streaming.types import CapturePurpose

logger = logging.getLogger(__name__)

GOODBYE_SECONDS = 0.3
CLOSING_SECONDS = 3.0
"""For what comes after the drain: close frames, streams."""

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class Socket(Protocol):
    """An open WebSocket of this process."""

    async def restart(self, *, within: float) -> None:
        """Close with "the server restarts" once its questions have ended, ``within`` s at most."""


@dataclass(frozen=True, kw_only=True)
class ChatProcess:
    """The parts that live as long as the process."""

    host: MediaHost
    services: Services
    asking: Asking
    relay: MediaRelay
    sockets: set[Socket] = field(default_factory=set)
    errands: set[asyncio.Task[None]] = field(default_factory=set)

    def watch(self, *, tell: Tell) -> Watch:
        """Return what watches over the questions of one socket.

        Args:
            tell: tells the socket that a question has ended.
        """
        return Watch(
            questions=self.services.questions,
            patience=Patience(
                frame=2 * settings.FRAME_WAIT_SECONDS + 5,
                answer=settings.MODEL_TIMEOUT_SECONDS + 60,
            ),
            queue=self.asking.queue,
            call=self.asking.call,
            tell=tell,
        )

    def run(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do what is to be done to its end though the socket that wanted it may close."""
        task = asyncio.create_task(errand)
        self.errands.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("An errand of a socket failed: %s", kind_and_place(error))

    async def aclose(self, *, drain: float) -> None:
        """Send every client away, to come back to the server's next life; end all streams.

        Args:
            drain: longest wait for the questions under way, s.
        """
        ask_to_stop_within(drain + CLOSING_SECONDS)
        await self._close_sockets(within=drain)
        # Those that were still connecting when the first were asked.
        await self._close_sockets(within=0)
        for errand in tuple(self.errands):
            errand.cancel()
        # The close frames are still in the server's buffers: give them a moment to leave.
        await asyncio.sleep(GOODBYE_SECONDS)
        await self.relay.aclose()
        await self.host.aclose()

    async def _close_sockets(self, *, within: float) -> None:
        closing = (socket.restart(within=within) for socket in tuple(self.sockets))
        await asyncio.gather(*closing, return_exceptions=True)


def ask_limits() -> AskLimits:
    """Return the limits in force."""
    live = current()
    return AskLimits(
        chars=settings.MAX_QUESTION_CHARS,
        per_minute=live.max_questions_per_minute,
        depth=live.max_queue_depth,
        stale_seconds=settings.MODEL_TIMEOUT_SECONDS + 60,
    )


def privacy_policy() -> PrivacyPolicy:
    """Return which privacy filters are on."""
    live = current()
    return PrivacyPolicy(
        face_blur=live.enable_face_blur,
        nsfw=live.enable_nsfw_filter,
        nsfw_threshold=settings.NSFW_THRESHOLD,
    )


async def take_snapshot(peer: PeerSession, *, wish: CapturePurpose) -> EncodedFrame:
    """Take a frame with the privacy filters and sizes in force."""
    return await snapshot(
        peer,
        policy=privacy_policy(),
        max_edge=settings.FRAME_MAX_EDGE,
        quality=settings.JPEG_QUALITY,
        max_age=settings.FRAME_MAX_AGE_SECONDS,
        timeout=settings.FRAME_WAIT_SECONDS,
        purpose=wish,
        change_threshold=settings.LIVE_CHANGE_THRESHOLD,
    )


async def keep_settings_fresh() -> None:
    """Read the live settings again and again, until cancelled.

    A privacy filter that is switched on has its model loaded before the first frame needs it.
    """
    prepared = PrivacyPolicy()
    while True:
        try:
            await database_sync_to_async(refresh)()
            policy = privacy_policy()
            if policy != prepared:
                await asyncio.to_thread(privacy.load, policy)
                prepared = policy
        except Exception as error:  # Whatever it is, the next second may do better.
            logger.warning("The live settings can't be read: %s", type(error).__name__)
        await asyncio.sleep(REFRESH_SECONDS)


def build_process(host: MediaHost) -> ChatProcess:
    """Return the parts of this process, wired by the settings; needs a running event loop."""
    parts = services()
    asking = Asking(
        questions=parts.questions,
        turns=parts.turns,
        frames=parts.frames,
        events=parts.events,
        host=host,
        snapshot=take_snapshot,
        limits=ask_limits,
        wait=settings.FRAME_WAIT_SECONDS,
    )
    relay = MediaRelay(host=host, asking=asking, services=parts, grace=settings.PEER_GRACE_SECONDS)
    return ChatProcess(host=host, services=parts, asking=asking, relay=relay)


class ProcessScope:
    """ASGI wrapper: puts ``chat_process`` and ``media_host`` into every scope.

    daphne has no lifespan events, so the parts are made when the first request comes: by then
    the event loop they belong to is running.
    """

    def __init__(self, application: Application, *, host: MediaHost) -> None:
        self._application = application
        self._host = host
        self._process: ChatProcess | None = None
        self._refresher: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Hand the scope on with the process's parts in it."""
        if self._process is None:
            self._process = build_process(self._host)
            self._process.relay.start()
            self._refresher = asyncio.create_task(keep_settings_fresh(), context=Context())
            drain = settings.DRAIN_SECONDS
            before_shutdown(
                partial(self._process.aclose, drain=drain), within=drain + CLOSING_SECONDS
            )
        scope["chat_process"] = self._process
        scope["media_host"] = self._process.host
        await self._application(scope, receive, send)
