"""Polls database, Redis and model servers for the open consoles: once a second, for all at once.

Nothing is polled while no console is open.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone
from redis.asyncio import Redis

from apps.console.serialization import (
    Row,
    serialize_minute,
    serialize_overview,
    serialize_servers,
    serialize_session,
    serialize_settings,
    serialize_workers,
)
from apps.console.snapshots import DatabaseSnapshot, RedisSnapshot, read_database, read_redis
from apps.fleet.redis_client import async_redis
from apps.fleet.statistics import Minute
from apps.inference.connection import http_client
from apps.inference.server_status import ServerStatus, ServerStatusReader
from apps.live_settings.current import current, defaults

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
SERVERS_EVERY_POLLS = 2
PART_TIMEOUT_SECONDS = 1.5
RECENT_MINUTES = 5  # What errors and times to an answer are taken over.
HOUR_MINUTES = 60
CHANGING_MINUTES = 2  # The current one, and the last: an answer may be counted just at its end.

Part = TypeVar("Part")
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class ConsoleState:
    """All that the page shows at one moment, as JSON."""

    now: Row
    hour: list[Row]
    sessions: dict[str, Row]
    servers: list[Row]
    workers: list[Row]
    gpus: list[Row]
    settings: list[Row]


Subscriber = Callable[[ConsoleState], None]


@dataclass
class _Kept:
    """What is kept from one poll to the next, for as long as a console is open.

    `minutes` that are over change no more, so they are read once. `database` is the last snapshot
    that could be taken: it stays on the page while the database is away.
    """

    polls: int = 0
    minutes: dict[int, Minute] = field(default_factory=dict)
    servers: list[ServerStatus] = field(default_factory=list)
    database: DatabaseSnapshot = field(default_factory=DatabaseSnapshot)


class ConsolePoller:
    """Owns one task, which runs while there are subscribers. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._subscribers: set[Subscriber] = set()
        self._task: asyncio.Task[None] | None = None
        client = http_client(settings.VLLM_BASE_URLS)
        self._servers = [
            ServerStatusReader(url, api_key=settings.VLLM_API_KEY, client=client)
            for url in settings.VLLM_BASE_URLS
        ]
        self._kept = _Kept()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` after each poll from now on; return how to stop it.

        It is called on the loop and must not block.
        """
        self._subscribers.add(subscriber)
        if self._task is None:
            self._kept = _Kept()
            # It outlives the socket that began it, so it must not inherit that one's context, where
            # asgiref keeps which thread its database calls go to.
            self._task = asyncio.create_task(self._run(), context=Context())
        return lambda: self._unsubscribe(subscriber)

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            await self._publish()
            await asyncio.sleep(max(0.1, POLL_SECONDS - (time.monotonic() - began)))

    async def _publish(self) -> None:
        try:
            state = await self.poll()
        except Exception:  # One bad poll must not end all that follow.
            logger.exception("The console could not look.")
            return
        for subscriber in tuple(self._subscribers):
            subscriber(state)

    async def poll(self) -> ConsoleState:
        """Read everything anew. What is away is said under `health`."""
        kept = self._kept
        if kept.polls % SERVERS_EVERY_POLLS == 0:
            kept.servers = await self._poll_servers()
        kept.polls += 1
        database = await _read_part("database", database_sync_to_async(read_database)())
        known = kept.database = database or kept.database
        wanted = CHANGING_MINUTES if kept.minutes else HOUR_MINUTES
        redis = await _read_part("Redis", read_redis(self._redis, known.sessions, minutes=wanted))
        health = {"database": _status(database), "redis": _status(redis)}
        return self._state(known, redis or RedisSnapshot(), health=health)

    async def _poll_servers(self) -> list[ServerStatus]:
        now = time.monotonic()
        return list(await asyncio.gather(*(server.read(now=now) for server in self._servers)))

    def _state(
        self, database: DatabaseSnapshot, redis: RedisSnapshot, *, health: Row
    ) -> ConsoleState:
        minutes = self._merge_minutes(redis)
        workers, gpus = serialize_workers(redis.workers)
        now = serialize_overview(
            at=time.time(),
            live=database.live,
            streams=len(redis.streams),
            depth=redis.depth,
            minutes=minutes[-RECENT_MINUTES:],
            workers=redis.workers,
            servers=self._kept.servers,
            health=health,
            settings=current(),
        )
        return ConsoleState(
            now=now,
            hour=[serialize_minute(minute) for minute in minutes],
            sessions=_session_rows(database, redis),
            servers=serialize_servers(self._kept.servers),
            workers=workers,
            gpus=gpus,
            settings=serialize_settings(current(), defaults(), database.changed),
        )

    def _merge_minutes(self, redis: RedisSnapshot) -> list[Minute]:
        """The last hour's minutes, oldest first, at least the current one."""
        known = self._kept.minutes | {minute.at: minute for minute in redis.minutes}
        kept = [known[at] for at in sorted(known)][-HOUR_MINUTES:]
        self._kept.minutes = {minute.at: minute for minute in kept}
        return kept or [Minute(at=int(time.time() // 60) * 60)]


def _session_rows(database: DatabaseSnapshot, redis: RedisSnapshot) -> dict[str, Row]:
    """The rows of the sessions by their ids."""
    now = timezone.now()
    return {
        session_id: serialize_session(
            session,
            stream=redis.streams.get(session_id),
            last_error=redis.errors.get(session_id),
            now=now,
        )
        for session_id, session in ((str(one["pk"]), one) for one in database.sessions)
    }


async def _read_part(part: str, reading: Awaitable[Part]) -> Part | None:
    try:
        async with asyncio.timeout(PART_TIMEOUT_SECONDS):
            return await reading
    except Exception as error:  # Whatever is away or hangs is shown as down; the rest goes on.
        logger.warning("The console can't read the %s: %s", part, type(error).__name__)
        return None


def _status(part: object) -> str:
    return "down" if part is None else "ok"


class ConsolePollerMiddleware:
    """ASGI middleware: puts this process's `console_poller` into the scope, made at first use."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._poller: ConsolePoller | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Hand the scope on with the poller in it."""
        if self._poller is None:
            self._poller = ConsolePoller(async_redis())
        scope["console_poller"] = self._poller
        await self._application(scope, receive, send)
