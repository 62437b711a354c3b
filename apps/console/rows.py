"""What the console shows, as the page gets it. Pure: from facts to JSON.

Moments are ms since the epoch, durations seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from apps.fleet.statistics import Minute, percentile, together
from apps.inference.server_status import ServerStatus
from apps.live_settings.definitions import DEFINITIONS, LiveSettings

Row = dict[str, Any]
Facts = Mapping[str, Any]
STREAM_FACTS = ("state", "width", "height", "fps", "frames_in", "frames_dropped", "error")


def milliseconds(moment: datetime | None) -> int | None:
    """A moment as the page has it."""
    return None if moment is None else round(moment.timestamp() * 1000)


def session_row(
    session: Row, *, stream: Facts | None, last_error: str | None, now: datetime
) -> Row:
    """One camera session; `session` holds the values of its row in the database.

    `away` says that its page is gone, so that it gives up its place when a limit is reached.
    """
    return {
        "id": str(session["pk"]),
        "user": session["user__username"],
        "user_id": session["user_id"],
        "address": session["address"],
        "started_at": milliseconds(session["started_at"]),
        "last_active_at": milliseconds(session["last_active_at"]),
        "away": session["present_until"] <= now,
        "ended_at": milliseconds(session["ended_at"]),
        "end_reason": session["end_reason"],
        "end_note": session["end_note"],
        "questions": session["questions"],
        "answers": session["answers"],
        "errors": session["errors"],
        "frames": session["frames"],
        "last_error": last_error,
        "stream": stream and {name: stream.get(name) for name in STREAM_FACTS},
    }


def changes(now: Mapping[str, Row], told: Mapping[str, Row]) -> tuple[list[Row], list[str]]:
    """The rows that are new or differ from those told last, and the ids of those gone."""
    changed = [row for key, row in now.items() if told.get(key) != row]
    return changed, [key for key in told if key not in now]


def minute_row(minute: Minute) -> Row:
    """One minute of the charts."""
    return {
        "at": minute.at * 1000,
        "answers": minute.answers,
        "errors": sum(minute.errors.values()),
        "ttft_p50": percentile(minute.first, 0.5),
        "ttft_p95": percentile(minute.first, 0.95),
        "streams": minute.streams,
    }


def durations(buckets: Mapping[int, int]) -> Row | None:
    """Median and 95th percentile, None without any."""
    if not buckets:
        return None
    return {"p50": percentile(buckets, 0.5), "p95": percentile(buckets, 0.95)}


def now_row(
    *,
    at: float,
    live: int,
    streams: int,
    depth: int,
    minutes: list[Minute],
    workers: Mapping[str, Facts],
    servers: Iterable[ServerStatus],
    health: Row,
    settings: LiveSettings,
) -> Row:
    """What goes on now.

    Args:
        at: now, s since the epoch.
        depth: questions that wait or are being answered.
        minutes: the last ones, the current one last.
    """
    active = min(depth, sum(int(facts.get("active", 0)) for facts in workers.values()))
    lately = together(minutes)
    return {
        "at": round(at * 1000),
        "sessions": {"live": live, "limit": settings.max_sessions},
        "streams": streams,
        "questions": {
            "active": active,
            "waiting": depth - active,
            "limit": settings.max_queue_depth,
        },
        "answers_per_minute": _per_minute(minutes, at=at),
        "ttft": durations(lately.first),
        "total": durations(lately.whole),
        "errors": dict(sorted(lately.errors.items())),
        "accepting": settings.accept_sessions,
        "health": {
            **health,
            "workers": "ok" if workers else "down",
            "vllm": "ok" if any(server.up for server in servers) else "down",
        },
    }


def _per_minute(minutes: list[Minute], *, at: float) -> int:
    """Answers in the last sixty seconds: the last whole minute counts for what is left of it."""
    current = minutes[-1]
    left = max(0.0, 1 - (at - current.at) / 60)
    before = minutes[-2].answers if len(minutes) > 1 else 0
    return round(current.answers + before * left)


def worker_rows(workers: Mapping[str, Facts]) -> tuple[list[Row], list[Row]]:
    """The workers, and the GPUs of their hosts, each host's once."""
    rows = [
        {
            "name": name,
            "pool": int(facts.get("pool", 0)),
            "active": int(facts.get("active", 0)),
            "seen_at": round(float(facts["seen_at"]) * 1000),
        }
        for name, facts in sorted(workers.items())
    ]
    by_host = {facts.get("host", name): facts.get("gpus", []) for name, facts in workers.items()}
    gpus = [{"host": host, **gpu} for host, found in sorted(by_host.items()) for gpu in found]
    return rows, gpus


def server_rows(servers: Iterable[ServerStatus]) -> list[Row]:
    """The model servers."""
    return [asdict(server) for server in servers]


def setting_rows(
    values: LiveSettings, defaults: LiveSettings, changed: Mapping[str, tuple[datetime, str | None]]
) -> list[Row]:
    """The live settings, in the order they are shown; `changed` tells when and by whom."""
    rows = []
    for name, definition in DEFINITIONS.items():
        when, who = changed.get(name, (None, None))
        rows.append(
            {
                **asdict(definition),
                "value": getattr(values, name),
                "default": getattr(defaults, name),
                "changed_at": milliseconds(when),
                "changed_by": who,
            }
        )
    return rows
