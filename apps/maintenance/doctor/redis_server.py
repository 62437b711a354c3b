"""Checks of Redis: broker, channel layer, frame store and the place where workers report."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from apps.fleet import presence
from apps.maintenance.doctor.clock import judge_clock, skew
from apps.maintenance.doctor.findings import Check, Finding, failed, ok, skipped, warning

OLDEST_VERSION: Final = (6, 2)
SLOW_SECONDS: Final = 0.02  # An answer makes several round trips before its first token.
_PINGS: Final = 5
_UNREACHABLE: Final = "Redis can't be asked."


def redis_checks(url: str, *, timeout: float) -> list[Check]:
    """The checks of the Redis at `url`, which gets `timeout` seconds for each answer."""
    checks: dict[tuple[str, str], Callable[..., Finding]] = {
        ("Redis", "Redis"): check_redis,
        ("Redis", "persistence"): check_persistence,
        ("Redis", "memory"): check_memory,
        ("Host", "clock (Redis)"): check_clock,
        ("Workers", "inference workers"): check_workers,
    }
    return [
        Check(group=group, name=name, run=partial(check, url, timeout=timeout), concurrent=True)
        for (group, name), check in checks.items()
    ]


def check_redis(url: str, *, timeout: float) -> Finding:
    """Does it answer, is it new enough and near enough?"""
    try:
        with _connected(url, timeout=timeout) as redis:
            version = str(_info(redis, "server")["redis_version"])
            latency = statistics.median(_ping_seconds(redis) for _ in range(_PINGS))
    except AuthenticationError:
        return failed("It refuses the password.", mend="Put its password into REDIS_URL.")
    except (RedisError, OSError) as error:
        return failed(f"It does not answer: {error}", mend="Start Redis, or correct REDIS_URL.")
    return judge_redis(version, latency=latency)


def judge_redis(version: str, *, latency: float) -> Finding:
    """Is that version good, and `latency` (seconds) short enough for one step of an answer?"""
    found = f"version {version}, answers in {latency * 1000:.1f} ms"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        return failed(found, mend=f"Upgrade Redis to {wanted} or newer.")
    if latency > SLOW_SECONDS:
        return warning(found, mend="Run Redis nearer to the platform: every answer waits for it.")
    return ok(found)


def check_persistence(url: str, *, timeout: float) -> Finding:
    """Does it keep everything in memory? Frames must never reach a disk."""
    try:
        with _connected(url, timeout=timeout) as redis:
            return judge_persistence(_info(redis, "persistence"), save=_save_setting(redis))
    except (RedisError, OSError):
        return skipped(_UNREACHABLE)


def _save_setting(redis: Redis) -> str | None:
    """When Redis saves, by its own setting; None where that may not be read."""
    try:
        # One name only: older than 7.0 takes no more.
        return str(cast("dict[str, str]", redis.config_get("save"))["save"])
    except (NoPermissionError, ResponseError, KeyError):
        return None


def judge_persistence(info: dict[str, Any], *, save: str | None) -> Finding:
    """The same from Redis's `INFO persistence`, and its setting `save` where it is known."""
    has_saved = int(info.get("rdb_last_bgsave_time_sec", -1)) >= 0
    on = [
        name
        for name, writes in (
            ("save", has_saved if save is None else save != ""),
            ("appendonly", bool(info.get("aof_enabled"))),
        )
        if writes
    ]
    if on:
        return failed(
            f"It writes to disk ({', '.join(on)}): frames and answers would end there.",
            mend='Start it with --save "" --appendonly no.',
        )
    if save is None:
        return ok("has written nothing to disk; its settings can't be read")
    return ok("off: nothing reaches a disk")


def check_memory(url: str, *, timeout: float) -> Finding:
    """Does it throw away what must not be lost when its memory is full?"""
    try:
        with _connected(url, timeout=timeout) as redis:
            return judge_memory(_info(redis, "memory"))
    except (RedisError, OSError):
        return skipped(_UNREACHABLE)


def judge_memory(info: dict[str, Any]) -> Finding:
    """The same from Redis's own `INFO memory`."""
    used, limit = int(info["used_memory"]), int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    bound = f"{limit / (1 << 20):.0f} MiB" if limit else "no limit"
    found = f"{used / (1 << 20):.1f} MiB used, {bound}, {policy}"
    if limit and policy.startswith("allkeys"):
        return warning(
            found, mend="Set maxmemory-policy volatile-ttl: allkeys may throw questions away."
        )
    if limit and used > 0.9 * limit:
        return warning(found, mend="Raise maxmemory: it is nearly full.")
    return ok(found)


def check_clock(url: str, *, timeout: float) -> Finding:
    """Does its clock agree with ours?"""
    try:
        with _connected(url, timeout=timeout) as redis:
            redis.ping()
            before = time.time()
            seconds, micros = redis.time()
            after = time.time()
    except (RedisError, OSError):
        return skipped(_UNREACHABLE)
    theirs = seconds + micros / 1e6
    ahead = skew(before=before, after=after, earliest=theirs, latest=theirs)
    return judge_clock(ahead, of="Redis's clock")


def check_workers(url: str, *, timeout: float) -> Finding:
    """Has an inference worker reported lately?"""
    try:
        names = asyncio.run(_workers(url, timeout=timeout))
    except (RedisError, OSError):
        return skipped("Redis can't be asked, and that is where workers report.")
    if not names:
        return failed(
            f"None has reported within {presence.WORKER_LOST_SECONDS:g} s.",
            mend="Start one: DEPLOY.md has celery's command line.",
        )
    return ok(f"{len(names)} up: {', '.join(sorted(names))}")


async def _workers(url: str, *, timeout: float) -> list[str]:
    async with AsyncRedis.from_url(
        url, socket_connect_timeout=timeout, socket_timeout=timeout, retry=None
    ) as redis:
        return await presence.workers(redis)


@contextmanager
def _connected(url: str, *, timeout: float) -> Iterator[Redis]:
    """A client that tries everything once."""
    client = Redis.from_url(
        url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=None,
        decode_responses=True,
    )
    try:
        yield client
    finally:
        client.close()


def _info(redis: Redis, section: str) -> dict[str, Any]:
    return redis.info(section)


def _ping_seconds(redis: Redis) -> float:
    began = time.perf_counter()
    redis.ping()
    return time.perf_counter() - began
