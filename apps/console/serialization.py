"""The console's JSON, made from what was read. Pure.

Moments are ms since the epoch, _median_and_p95 seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from apps.fleet.statistics import Minute, percentile, together
from apps.inference.server_status import ServerStatus
from apps.live_settings.definitions import DEFINITIONS, LiveSettings

Row = dict[str, Any]
"""A JSON object of the page's protocol."""

Report = Mapping[str, Any]
"""What a process has reported of itself, of a stream or of a worker, as JSON has it."""

STREAM_FIELDS = ("state", "width", "height", "fps", "frames_in", "frames_dropped", "error")


def _milliseconds(moment: datetime | None) -> int | None:
    """A moment as JavaScript's `Date` takes it."""
    return None if moment is None else round(moment.timestamp() * 1000)


def serialize_session(
    session: Row, *, stream: Report | None, last_error: str | None, now: datetime
) -> Row:
    """One camera session; `session` holds the values of its row in the database.

    `away`: its page is gone, so it gives up its place when a limit is reached.
    """
    return {
        "id": str(session["pk"]),
        "user": session["user__username"],
        "user_id": session["user_id"],
        "address": session["address"],
        "started_at": _milliseconds(session["started_at"]),
        "last_active_at": _milliseconds(session["last_active_at"]),
        "away": session["present_until"] <= now,
        "ended_at": _milliseconds(session["ended_at"]),
        "end_reason": session["end_reason"],
        "end_note": session["end_note"],
        "questions": session["questions"],
        "answers": session["answers"],
        "errors": session["errors"],
        "frames": session["frames"],
        "last_error": last_error,
        # Only these: a process may report more than an operator should see.
        "stream": stream and {name: stream.get(name) for name in STREAM_FIELDS},
    }


def changed_rows(
    current: Mapping[str, Row], *, sent: Mapping[str, Row]
) -> tuple[list[Row], list[str]]:
    """The rows that are new or differ from those sent last, and the ids of those gone."""
    changed = [row for key, row in current.items() if sent.get(key) != row]
    return changed, [key for key in sent if key not in current]


def serialize_minute(minute: Minute) -> Row:
    """One minute of the charts."""
    return {
        "at": minute.at * 1000,
        "answers": minute.answers,
        "errors": sum(minute.errors.values()),
        "ttft_p50": percentile(minute.first, 0.5),
        "ttft_p95": percentile(minute.first, 0.95),
        "streams": minute.streams,
    }


def _median_and_p95(buckets: Mapping[int, int]) -> Row | None:
    """Median and 95th percentile, None without any."""
    if not buckets:
        return None
    return {"p50": percentile(buckets, 0.5), "p95": percentile(buckets, 0.95)}


def serialize_overview(
    *,
    at: float,
    live: int,
    streams: int,
    depth: int,
    minutes: list[Minute],
    workers: Mapping[str, Report],
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
    # Both are reported, at different moments: no more can be answered than there are.
    active = min(depth, sum(int(report.get("active", 0)) for report in workers.values()))
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
        "ttft": _median_and_p95(lately.first),
        "total": _median_and_p95(lately.whole),
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


def serialize_workers(workers: Mapping[str, Report]) -> tuple[list[Row], list[Row]]:
    """The workers, and the GPUs of their hosts, each host's once."""
    rows = [
        {
            "name": name,
            "pool": int(report.get("pool", 0)),
            "active": int(report.get("active", 0)),
            "seen_at": round(float(report["seen_at"]) * 1000),
        }
        for name, report in sorted(workers.items())
    ]
    by_host = {report.get("host", name): report.get("gpus", []) for name, report in workers.items()}
    gpus = [{"host": host, **gpu} for host, listed in sorted(by_host.items()) for gpu in listed]
    return rows, gpus


def serialize_servers(servers: Iterable[ServerStatus]) -> list[Row]:
    """The model servers."""
    return [asdict(server) for server in servers]


def serialize_settings(
    values: LiveSettings, defaults: LiveSettings, changed: Mapping[str, tuple[datetime, str | None]]
) -> list[Row]:
    """The live settings, in the order they are shown; `changed` tells when and by whom."""
    rows = []
    for name, definition in DEFINITIONS.items():
        at, username = changed.get(name, (None, None))
        rows.append(
            {
                **asdict(definition),
                "value": getattr(values, name),
                "default": getattr(defaults, name),
                "changed_at": _milliseconds(at),
                "changed_by": username,
            }
        )
    return rows
