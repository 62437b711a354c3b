"""Redis: asked for real, and judged by what it says of itself."""

import asyncio
import time

import pytest
from redis import Redis

from apps.fleet import presence
from apps.maintenance.doctor import redis_server as doctor
from apps.maintenance.doctor.redis_server import (
    check_clock,
    check_memory,
    check_persistence,
    check_redis,
    check_workers,
    judge_memory,
    judge_persistence,
    judge_redis,
    redis_checks,
)

NOWHERE = "redis://127.0.0.1:1/0"
OFF = {"save": "", "appendonly": "no"}


def test_a_good_one_has_nothing_but_workers_missing(redis_url):
    findings = {check.name: check.run() for check in redis_checks(redis_url, timeout=5)}
    assert {name: finding.status for name, finding in findings.items()} == {
        "Redis": "ok",
        "persistence": "ok",
        "memory": "ok",
        "clock (Redis)": "ok",
        "inference workers": "failed",
    }
    assert "celery" in findings["inference workers"].mend


def test_one_that_is_away_fails_once():
    findings = {check.name: check.run() for check in redis_checks(NOWHERE, timeout=0.5)}
    assert findings.pop("Redis").status == "failed"
    assert {finding.status for finding in findings.values()} == {"skipped"}


def test_a_wrong_password(redis_url):
    with Redis.from_url(redis_url) as redis:
        redis.config_set("requirepass", "right")
    try:
        url = redis_url.replace("//", "//:wrong@")
        assert "password" in check_redis(url, timeout=5).found
        assert check_memory(url, timeout=5).status == "skipped"
        assert check_workers(url, timeout=5).status == "skipped"
    finally:
        with Redis.from_url(redis_url.replace("//", "//:right@")) as redis:
            redis.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("version", "latency", "status"),
    [
        ("7.4.1", 0.001, "ok"),
        ("6.2.0", 0.02, "ok"),
        ("6.0.9", 0, "failed"),
        ("8.0", 0.1, "warning"),
    ],
)
def test_version_and_latency(version, latency, status):
    assert judge_redis(version, latency=latency).status == status


@pytest.mark.parametrize(("name", "on"), [("save", "900 1"), ("appendonly", "yes")])
def test_persistence_is_a_failure(redis_url, name, on):
    with Redis.from_url(redis_url) as redis:
        redis.config_set(name, on)
        try:
            finding = check_persistence(redis_url, timeout=5)
        finally:
            redis.config_set(name, OFF[name])
    assert finding.status == "failed"
    assert name in finding.found


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ({"aof_enabled": 0, "rdb_last_bgsave_time_sec": -1}, "ok"),
        ({"aof_enabled": 1, "rdb_last_bgsave_time_sec": -1}, "failed"),
        ({"aof_enabled": 0, "rdb_last_bgsave_time_sec": 0}, "failed"),
    ],
)
def test_persistence_where_its_settings_are_kept_secret(info, status):
    assert judge_persistence(info, save=None).status == status


@pytest.mark.parametrize(
    ("limit", "policy", "used", "status"),
    [
        (0, "noeviction", 50, "ok"),
        (100, "noeviction", 50, "ok"),
        (100, "volatile-ttl", 50, "ok"),
        (100, "allkeys-lru", 50, "warning"),
        (100, "noeviction", 95, "warning"),
        (0, "allkeys-lru", 50, "ok"),
    ],
)
def test_memory(limit, policy, used, status):
    info = {"used_memory": used, "maxmemory": limit, "maxmemory_policy": policy}
    assert judge_memory(info).status == status


def test_a_clock_that_goes_wrong(redis_url, monkeypatch):
    assert check_clock(redis_url, timeout=5).status == "ok"
    real = time.time
    monkeypatch.setattr(doctor.time, "time", lambda: real() + 60)
    finding = check_clock(redis_url, timeout=5)
    assert finding.status == "warning"
    assert "ahead of Redis's clock" in finding.found


async def test_a_worker_that_reported(redis, redis_url):
    await presence.announce_worker(redis, "host:1", {})
    finding = await asyncio.to_thread(check_workers, redis_url, timeout=5)
    assert (finding.status, finding.found) == ("ok", "1 up: host:1")
