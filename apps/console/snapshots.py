"""Reads what the console shows: from the database, and from Redis."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from redis.asyncio import Redis

from apps.camera_sessions.models import CameraSession
from apps.console.serialization import Row
from apps.fleet import presence
from apps.fleet.presence import Facts
from apps.fleet.queue_depth import read_depth
from apps.fleet.statistics import Minute, Statistics
from apps.live_settings.models import Override

ENDED_SHOWN = 200  # As many as an operator scrolls through; the audit has them all.
_COLUMNS = (
    "pk",
    "user__username",
    "user_id",
    "address",
    "started_at",
    "last_active_at",
    "present_until",
    "ended_at",
    "end_reason",
    "end_note",
    "questions",
    "answers",
    "errors",
    "frames",
)


@dataclass(frozen=True, kw_only=True)
class DatabaseSnapshot:
    """The database's part at one moment.

    Attributes:
        sessions: those not ended, and the last that ended, newest first.
        live: how many of them count as live.
        changed: when and by whom each live setting was changed.
    """

    sessions: Sequence[Row] = ()
    live: int = 0
    changed: Mapping[str, tuple[datetime, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RedisSnapshot:
    """What the processes had reported to Redis at one moment.

    Attributes:
        streams: by session.
        errors: the code of the last error, by session.
        depth: questions that wait or are being answered.
    """

    streams: Mapping[str, Facts] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    workers: Mapping[str, Facts] = field(default_factory=dict)
    depth: int = 0
    minutes: Sequence[Minute] = ()


def read_database() -> DatabaseSnapshot:
    """Read the database; not for the event loop."""
    unended = list(CameraSession.objects.unended().values(*_COLUMNS))
    ended = CameraSession.objects.filter(ended_at__isnull=False).order_by("-ended_at")[:ENDED_SHOWN]
    idle_since = timezone.now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    changes = Override.objects.values_list("name", "changed_at", "changed_by__username")
    return DatabaseSnapshot(
        sessions=[*unended, *ended.values(*_COLUMNS)],
        # As `CameraSessionQuerySet.live` has it; counted here, for the rows have been read.
        live=sum(session["last_active_at"] > idle_since for session in unended),
        changed={name: (at, username) for name, at, username in changes},
    )


async def read_redis(redis: Redis, sessions: Sequence[Row], *, minutes: int) -> RedisSnapshot:
    """Read Redis: on those of `sessions` that have not ended, and on the last `minutes`."""
    unended = [str(session["pk"]) for session in sessions if session["ended_at"] is None]
    # Older questions belong to a worker that has died: none is answered for so long.
    oldest = time.time() - settings.MODEL_TIMEOUT_SECONDS - 60
    statistics = Statistics(redis)
    depth = await read_depth(redis, older_than=oldest)
    return RedisSnapshot(
        streams=await presence.stream_facts(redis, unended),
        errors=await statistics.last_errors(unended),
        workers=await presence.worker_facts(redis),
        depth=depth.questions,
        minutes=await statistics.minutes(last=minutes),
    )
