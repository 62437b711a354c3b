"""Who is alive: inference workers and browser sockets say so in Redis every few seconds."""

import time
from typing import cast

from redis.asyncio import Redis

WORKERS = "presence:workers"
WORKER_BEAT_SECONDS = 2.0
WORKER_LOST_SECONDS = 7.0


async def announce_worker(redis: Redis, name: str) -> None:
    """Say that the worker ``name`` is alive now."""
    now = time.time()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zadd(WORKERS, {name: now})
        pipe.zremrangebyscore(WORKERS, "-inf", now - WORKER_LOST_SECONDS)
        pipe.expire(WORKERS, 60)
        await pipe.execute()


async def workers(redis: Redis) -> list[str]:
    """Return the names of the workers heard of within ``WORKER_LOST_SECONDS``."""
    since = time.time() - WORKER_LOST_SECONDS
    names = cast("list[bytes]", await redis.zrangebyscore(WORKERS, since, "+inf"))
    return [name.decode() for name in names]


def _socket(session_id: str) -> str:
    return f"presence:socket:{session_id}"


async def announce_socket(redis: Redis, session_id: str, connection: str, *, ttl: int) -> None:
    """Say that ``connection`` is the session's socket for the next ``ttl`` seconds."""
    await redis.set(_socket(session_id), connection, ex=ttl)


async def withdraw_socket(redis: Redis, session_id: str, connection: str) -> None:
    """Say that ``connection`` is gone, unless a newer one has taken over."""
    if await redis.get(_socket(session_id)) == connection.encode():
        await redis.delete(_socket(session_id))


async def has_socket(redis: Redis, session_id: str) -> bool:
    """Return whether any process holds a socket of the session."""
    return bool(await redis.exists(_socket(session_id)))


def _stream(session_id: str) -> str:
    return f"presence:stream:{session_id}"


async def announce_stream(redis: Redis, session_id: str, *, ttl: int) -> None:
    """Say that a process holds the session's peer connection for the next ``ttl`` seconds."""
    await redis.set(_stream(session_id), 1, ex=ttl)


async def withdraw_stream(redis: Redis, session_id: str) -> None:
    """Say that the session has no peer connection."""
    await redis.delete(_stream(session_id))


async def has_stream(redis: Redis, session_id: str) -> bool:
    """Return whether any process holds the session's peer connection."""
    return bool(await redis.exists(_stream(session_id)))
