"""What the worker processes report to each other about the model servers.

One hash holds each worker's last report on every server; one older than ``STALE_SECONDS`` is that
of a worker that is gone. A key for each session says which server it is sticky to.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

REPORTS = "model_servers:board"
STALE_SECONDS = 5.0
"""Workers report every second: five lost in a row are no accident."""
HASH_TTL_SECONDS = 60


@dataclass(frozen=True)
class ServerLoad:
    """One process's view of a server: answers it has it give, and whether it finds it up."""

    open: int
    up: bool


async def read_loads(redis: Redis) -> dict[str, dict[str, ServerLoad]]:
    """Return by worker, then by server name, what was reported lately."""
    reports = cast("dict[bytes, bytes]", await redis.hgetall(REPORTS))
    return _fresh(reports, now=time.time())


def _fresh(reports: Mapping[bytes, bytes], *, now: float) -> dict[str, dict[str, ServerLoad]]:
    """What the hash holds, without what is stale; ``now`` in s since the epoch."""
    loads = {}
    for worker, report in reports.items():
        reported = json.loads(report)
        if now - reported["at"] <= STALE_SECONDS:
            servers = reported["servers"].items()
            loads[worker.decode()] = {name: ServerLoad(**load) for name, load in servers}
    return loads


class ServerLoads:
    """The model servers' loads as all workers know them, and the sessions' sticky servers.

    No method raises: while Redis is away, each process goes on with what it knows itself.

    Args:
        worker: this process's name.
        ttl: seconds that a session's server is remembered.
    """

    def __init__(self, redis: Redis, *, worker: str, ttl: int) -> None:
        self._redis = redis
        self._worker = worker
        self._ttl = ttl

    async def exchange(self, loads: Mapping[str, ServerLoad]) -> Mapping[str, int]:
        """Report this process's loads; return the other processes' open answers by server."""
        now = time.time()
        report = {"at": now, "servers": {name: asdict(load) for name, load in loads.items()}}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(REPORTS, self._worker, json.dumps(report))
                pipe.expire(REPORTS, HASH_TTL_SECONDS)
                pipe.hgetall(REPORTS)
                *_, reports = await pipe.execute()
            fresh = _fresh(reports, now=now)
            await self._clear(gone=[worker for worker in reports if worker.decode() not in fresh])
        except (RedisError, OSError) as error:
            logger.warning("The model servers' loads can't be read: %s", type(error).__name__)
            return {}
        elsewhere: Counter[str] = Counter()
        for worker, reported in fresh.items():
            if worker != self._worker:
                elsewhere.update({name: load.open for name, load in reported.items()})
        return elsewhere

    async def _clear(self, *, gone: list[bytes]) -> None:
        if gone:
            await self._redis.hdel(REPORTS, *(worker.decode() for worker in gone))

    async def sticky_server(self, session: str) -> str:
        """Return the name of the server that answered the session last, "" when unknown."""
        try:
            name = await self._redis.get(self._sticky(session))
        except (RedisError, OSError):
            return ""
        return name.decode() if isinstance(name, bytes) else ""

    async def stick(self, session: str, name: str) -> None:
        """Remember which server answers the session."""
        try:
            await self._redis.set(self._sticky(session), name, ex=self._ttl)
        except (RedisError, OSError) as error:
            logger.warning("A session's server is not remembered: %s", type(error).__name__)

    @staticmethod
    def _sticky(session: str) -> str:
        return f"model_servers:home:{session}"
