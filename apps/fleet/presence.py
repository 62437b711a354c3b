"""Which inference workers, browser sockets and streams are there: each renews a key in Redis."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

WORKERS = "presence:workers"
WORKER_BEAT_SECONDS = 1.0
WORKER_LOST_SECONDS = 7.0

Facts = Mapping[str, Any]
"""What is reported with it: names to numbers and short texts, as JSON has them."""


async def announce_worker(redis: Redis, name: str, facts: Facts) -> None:
    """Say that the worker ``name`` is alive now, and what it is doing."""
    now = time.time()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zadd(WORKERS, {name: now})
        pipe.zremrangebyscore(WORKERS, "-inf", now - WORKER_LOST_SECONDS)
        pipe.expire(WORKERS, 60)
        pipe.set(_worker(name), json.dumps(dict(facts)), ex=60)
        await pipe.execute()


async def workers(redis: Redis) -> list[str]:
    """Return the names of the workers heard of within ``WORKER_LOST_SECONDS``."""
    return list(await _heard_at(redis))


async def worker_facts(redis: Redis) -> dict[str, Facts]:
    """Return what those workers reported last; ``seen_at`` (s since the epoch) is when."""
    heard = await _heard_at(redis)
    if not heard:
        return {}
    reported: list[Any] = await redis.mget([_worker(name) for name in heard])
    pairs = zip(heard.items(), reported, strict=True)
    return {name: {**json.loads(raw or b"{}"), "seen_at": at} for (name, at), raw in pairs}


async def _heard_at(redis: Redis) -> dict[str, float]:
    since = time.time() - WORKER_LOST_SECONDS
    found = await redis.zrangebyscore(WORKERS, since, "+inf", withscores=True)
    return {name.decode(): at for name, at in cast("list[tuple[bytes, float]]", found)}


def _worker(name: str) -> str:
    return f"presence:worker:{name}"


SOCKET = "presence:socket:"
LATELY = "presence:lately:"


def _socket(session_id: str) -> str:
    return f"{SOCKET}{session_id}"


async def announce_socket(redis: Redis, session_id: str, connection: str, *, ttl: int) -> None:
    """Say that ``connection`` is the session's socket for the next ``ttl`` seconds."""
    await redis.set(_socket(session_id), connection, ex=ttl)


async def withdraw_socket(redis: Redis, session_id: str, connection: str, *, grace: float) -> None:
    """Say that ``connection`` is gone, unless a newer one has taken over.

    Args:
        grace: for so many seconds the session still counts as here: its page may be coming back.
    """
    if await redis.get(_socket(session_id)) == connection.encode():
        await redis.set(f"{LATELY}{session_id}", 1, px=max(1, round(grace * 1000)))
        await redis.delete(_socket(session_id))


async def has_socket(redis: Redis, session_id: str) -> bool:
    """Return whether any process holds a socket of the session."""
    return bool(await redis.exists(_socket(session_id)))


async def with_sockets(redis: Redis, session_ids: Sequence[str]) -> set[str]:
    """Return those of the sessions of which any process holds a socket."""
    if not session_ids:
        return set()
    found: list[Any] = await redis.mget([_socket(session_id) for session_id in session_ids])
    return {session_id for session_id, held in zip(session_ids, found, strict=True) if held}


def _stream(session_id: str) -> str:
    return f"presence:stream:{session_id}"


async def announce_streams(redis: Redis, streams: Mapping[str, Facts], *, ttl: int) -> None:
    """Say that a process holds these sessions' peer connections for the next ``ttl`` seconds."""
    async with redis.pipeline(transaction=False) as pipe:
        for session_id, facts in streams.items():
            pipe.set(_stream(session_id), json.dumps(dict(facts)), ex=ttl)
        await pipe.execute()


async def withdraw_stream(redis: Redis, session_id: str) -> None:
    """Say that the session has no peer connection."""
    await redis.delete(_stream(session_id))


async def has_stream(redis: Redis, session_id: str) -> bool:
    """Return whether any process holds the session's peer connection."""
    return bool(await redis.exists(_stream(session_id)))


async def stream_facts(redis: Redis, session_ids: Sequence[str]) -> dict[str, Facts]:
    """Return what is known of the sessions' peer connections, where there are any."""
    if not session_ids:
        return {}
    reported: list[Any] = await redis.mget([_stream(session_id) for session_id in session_ids])
    pairs = zip(session_ids, reported, strict=True)
    return {session_id: json.loads(raw) for session_id, raw in pairs if raw}
