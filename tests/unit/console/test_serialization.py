"""The console's JSON, made from what was read."""

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from apps.console.serialization import (
    changed_rows,
    serialize_overview,
    serialize_session,
    serialize_settings,
    serialize_workers,
)
from apps.fleet.statistics import Minute, bucket_of
from apps.inference.server_status import ServerStatus
from apps.live_settings.current import defaults
from apps.live_settings.definitions import DEFINITIONS

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SESSION = {
    "pk": "one",
    "user__username": "anna",
    "user_id": 7,
    "address": "192.0.2.1",
    "started_at": AT,
    "last_active_at": AT,
    "present_until": AT,
    "ended_at": None,
    "end_reason": "",
    "end_note": "",
    "questions": 3,
    "answers": 2,
    "errors": 1,
    "frames": 2,
}
WORKERS = {
    "a:2": {"pool": 16, "active": 2, "host": "a", "gpus": [{"name": "MI300X"}], "seen_at": 5.5},
    "a:1": {"pool": 16, "active": 1, "host": "a", "gpus": [{"name": "MI300X"}], "seen_at": 5.0},
}


def overview(**changes):
    facts = {
        "at": 90.0,
        "live": 3,
        "streams": 2,
        "depth": 5,
        "minutes": [Minute(at=0, answers=10), Minute(at=60, answers=4)],
        "workers": WORKERS,
        "servers": [ServerStatus(url="u", up=False), ServerStatus(url="v", up=True)],
        "health": {"database": "ok", "redis": "ok"},
        "settings": defaults(),
    }
    return serialize_overview(**(facts | changes))


def test_a_session_without_a_stream():
    row = serialize_session(SESSION, stream=None, last_error=None, now=AT)
    assert row["started_at"] == AT.timestamp() * 1000
    assert (row["ended_at"], row["stream"], row["last_error"]) == (None, None, None)
    assert (row["user"], row["user_id"]) == ("anna", 7)


def test_a_stream_shows_only_what_is_meant_to_be_shown():
    reported = {"state": "connected", "width": 640, "height": 480, "secret": 1}
    row = serialize_session(SESSION, stream=reported, last_error="busy", now=AT)
    assert row["stream"]["width"] == 640
    assert "secret" not in row["stream"]
    assert row["last_error"] == "busy"


def test_only_what_changed_is_sent():
    sent = {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}}
    now = {"a": {"n": 1}, "b": {"n": 2}, "d": {"n": 1}}
    assert changed_rows(now, sent=sent) == ([{"n": 2}, {"n": 1}], ["c"])


def test_answers_a_minute_look_back_sixty_seconds():
    assert overview()["answers_per_minute"] == 4 + 5
    assert overview(at=119.9)["answers_per_minute"] == 4
    assert overview(minutes=[Minute(at=60, answers=4)])["answers_per_minute"] == 4


def test_questions_are_active_or_wait():
    assert overview()["questions"] | {"limit": 0} == {"active": 3, "waiting": 2, "limit": 0}
    assert overview(depth=1)["questions"] | {"limit": 0} == {"active": 1, "waiting": 0, "limit": 0}


def test_times_and_errors_are_those_of_all_minutes():
    first = {bucket_of(0.2): 1}
    minutes = [
        Minute(at=0, errors={"busy": 1}, first=first, whole={bucket_of(1.0): 1}),
        Minute(at=60, errors={"busy": 2, "no_frame": 1}),
    ]
    row = overview(minutes=minutes)
    assert row["errors"] == {"busy": 3, "no_frame": 1}
    assert row["ttft"]["p50"] == pytest.approx(0.2, rel=0.05)
    assert row["total"]["p95"] == pytest.approx(1.0, rel=0.05)
    assert overview()["ttft"] is None


def test_health_says_what_is_away():
    assert overview()["health"] == dict.fromkeys(("database", "redis", "workers", "vllm"), "ok")
    gone = overview(workers={}, servers=[ServerStatus(url="u", up=False)])["health"]
    assert (gone["workers"], gone["vllm"]) == ("down", "down")


def test_each_hosts_gpus_are_shown_once():
    workers, gpus = serialize_workers(WORKERS)
    assert [worker["name"] for worker in workers] == ["a:1", "a:2"]
    assert workers[0]["seen_at"] == 5000
    assert gpus == [{"host": "a", "name": "MI300X"}]
    assert serialize_workers({}) == ([], [])


def test_settings_come_with_their_bounds_and_history():
    values = defaults()
    found = serialize_settings(values, values, {"max_sessions": (AT, "anna"), "notice": (AT, None)})
    assert [row["name"] for row in found] == list(DEFINITIONS)
    by_name = {row["name"]: row for row in found}
    limit = by_name["max_sessions"]
    assert (limit["changed_by"], limit["changed_at"]) == ("anna", AT.timestamp() * 1000)
    assert limit["value"] == limit["default"] == asdict(values)["max_sessions"]
    assert by_name["frame_sample_rate"]["changed_at"] is None
