"""Where the console's facts come from: the database, and Redis."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from redis.asyncio import Redis

from apps.camera_sessions.models import CameraSession
from apps.console.rows import Row
from apps.fleet import presence
from apps.fleet.presence import Facts
from apps.fleet.queue_depth import read_depth
from apps.fleet.statistics import Minute, Statistics
from apps.live_settings.models import Override

ENDED_SHOWN = 200
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
class Stored:
    """What the database holds.

    Attributes:
        sessions: those not ended, and the last that ended, newest first.
        live: how many of them count as live.
        changed: when and by whom each live setting was changed.
    """

    sessions: Sequence[Row] = ()
    live: int = 0
    changed: Mapping[str, tuple[datetime, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the processes told each other through Redis.

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


def stored() -> Stored:
    """Read the database; not for the event loop."""
    unended = list(CameraSession.objects.filter(ended_at=None).values(*_COLUMNS))
    ended = CameraSession.objects.filter(ended_at__isnull=False).order_by("-ended_at")[:ENDED_SHOWN]
    idle_since = timezone.now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    changes = Override.objects.values_list("name", "changed_at", "changed_by__username")
    return Stored(
        sessions=[*unended, *ended.values(*_COLUMNS)],
        live=sum(session["last_active_at"] > idle_since for session in unended),
        changed={name: (at, who) for name, at, who in changes},
    )


async def told(redis: Redis, sessions: Sequence[Row], *, minutes: int) -> Told:
    """Read Redis: of the sessions that go on, and of so many last minutes."""
    going_on = [str(session["pk"]) for session in sessions if session["ended_at"] is None]
    oldest = time.time() - settings.MODEL_TIMEOUT_SECONDS - 60
    statistics = Statistics(redis)
    depth = await read_depth(redis, older_than=oldest)
    return Told(
        streams=await presence.stream_facts(redis, going_on),
        errors=await statistics.last_errors(going_on),
        workers=await presence.worker_facts(redis),
        depth=depth.questions,
        minutes=await statistics.minutes(last=minutes),
    )
