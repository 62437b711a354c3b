"""Gathers what goes on while somebody watches, once a second and once for all who watch."""

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

from apps.console import rows
from apps.console.rows import Row
from apps.console.sources import Stored, Told, stored, told
from apps.fleet.redis_client import async_redis
from apps.fleet.statistics import Minute
from apps.inference.connection import http_client
from apps.inference.server_status import ServerStatus, ServerStatusReader
from apps.live_settings.current import current, defaults

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SERVERS_EVERY_TICKS = 2
PART_SECONDS = 1.5
LATELY_MINUTES = 5
HOUR_MINUTES = 60
CHANGING_MINUTES = 2  # the current one, and the last: an answer may be counted just at its end

Part = TypeVar("Part")
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class View:
    """What is known at one moment, as the page gets it."""

    now: Row
    hour: list[Row]
    sessions: dict[str, Row]
    servers: list[Row]
    workers: list[Row]
    gpus: list[Row]
    settings: list[Row]


Watcher = Callable[[View], None]


@dataclass
class _Memory:
    """What is kept from one look to the next, for as long as somebody watches."""

    ticks: int = 0
    minutes: dict[int, Minute] = field(default_factory=dict)
    servers: list[ServerStatus] = field(default_factory=list)
    stored: Stored = field(default_factory=Stored)


class ConsoleWatch:
    """Owns one task, which runs while there are watchers. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        client = http_client(settings.VLLM_BASE_URLS)
        self._servers = [
            ServerStatusReader(url, api_key=settings.VLLM_API_KEY, client=client)
            for url in settings.VLLM_BASE_URLS
        ]
        self._memory = _Memory()

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` after each look from now on; return how to stop it.

        It is called on the loop and must not block.
        """
        self._watchers.add(watcher)
        if self._task is None:
            self._memory = _Memory()
            # It outlives the socket that began it, so it must not inherit its context.
            self._task = asyncio.create_task(self._run(), context=Context())
        return lambda: self._unsubscribe(watcher)

    def _unsubscribe(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            await self._tell()
            await asyncio.sleep(max(0.1, TICK_SECONDS - (time.monotonic() - began)))

    async def _tell(self) -> None:
        try:
            view = await self.look()
        except Exception:  # One bad look must not end all that follow.
            logger.exception("The console could not look.")
            return
        for watcher in tuple(self._watchers):
            watcher(view)

    async def look(self) -> View:
        """Read everything anew. What is away is said under `health`."""
        memory = self._memory
        if memory.ticks % SERVERS_EVERY_TICKS == 0:
            memory.servers = await self._look_at_servers()
        memory.ticks += 1
        database = await _attempt("database", database_sync_to_async(stored)())
        known = memory.stored = database or memory.stored
        wanted = CHANGING_MINUTES if memory.minutes else HOUR_MINUTES
        redis = await _attempt("Redis", told(self._redis, known.sessions, minutes=wanted))
        health = {"database": _word(database), "redis": _word(redis)}
        return self._view(known, redis or Told(), health=health)

    async def _look_at_servers(self) -> list[ServerStatus]:
        now = time.monotonic()
        return list(await asyncio.gather(*(server.read(now=now) for server in self._servers)))

    def _view(self, database: Stored, redis: Told, *, health: Row) -> View:
        minutes = self._remember(redis)
        moment = timezone.now()
        workers, gpus = rows.worker_rows(redis.workers)
        now = rows.now_row(
            at=time.time(),
            live=database.live,
            streams=len(redis.streams),
            depth=redis.depth,
            minutes=minutes[-LATELY_MINUTES:],
            workers=redis.workers,
            servers=self._memory.servers,
            health=health,
            settings=current(),
        )
        return View(
            now=now,
            hour=[rows.minute_row(minute) for minute in minutes],
            sessions={
                row["id"]: row
                for row in (
                    rows.session_row(
                        one,
                        stream=redis.streams.get(str(one["pk"])),
                        last_error=redis.errors.get(str(one["pk"])),
                        now=moment,
                    )
                    for one in database.sessions
                )
            },
            servers=rows.server_rows(self._memory.servers),
            workers=workers,
            gpus=gpus,
            settings=rows.setting_rows(current(), defaults(), database.changed),
        )

    def _remember(self, redis: Told) -> list[Minute]:
        """The last hour's minutes, oldest first, at least the current one."""
        known = self._memory.minutes | {minute.at: minute for minute in redis.minutes}
        kept = [known[at] for at in sorted(known)][-HOUR_MINUTES:]
        self._memory.minutes = {minute.at: minute for minute in kept}
        return kept or [Minute(at=int(time.time() // 60) * 60)]


async def _attempt(part: str, reading: Awaitable[Part]) -> Part | None:
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await reading
    except Exception as error:  # Whatever is away or hangs is shown as down; the rest goes on.
        logger.warning("The console can't read the %s: %s", part, type(error).__name__)
        return None


def _word(part: object) -> str:
    return "down" if part is None else "ok"


class ConsoleScope:
    """ASGI wrapper: puts this process's `console_watch` into the scope, made at first use."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._watch: ConsoleWatch | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Hand the scope on with the watch in it."""
        if self._watch is None:
            self._watch = ConsoleWatch(async_redis())
        scope["console_watch"] = self._watch
        await self._application(scope, receive, send)
