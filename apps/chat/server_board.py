"""The workers' board of model servers, in Redis.

One hash holds each worker's last word on every server; a word older than ``STALE_SECONDS`` is
that of a worker that is gone.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.inference.board import ServerNews

logger = logging.getLogger(__name__)

BOARD = "model_servers:board"
STALE_SECONDS = 5.0
HASH_TTL_SECONDS = 60


def read_board(words: Mapping[bytes, bytes], *, now: float) -> dict[str, dict[str, ServerNews]]:
    """Return by worker, then by server, what was said lately; anything else is passed over.

    Args:
        words: the hash as Redis gives it.
        now: s since the epoch.
    """
    board = {}
    for worker, word in words.items():
        said = json.loads(word)
        if now - said["at"] <= STALE_SECONDS:
            servers = said["servers"].items()
            board[worker.decode()] = {name: ServerNews(**news) for name, news in servers}
    return board


class RedisBoard:
    """``apps.inference.board.ServerBoard`` over all worker processes.

    Args:
        worker: this process's name.
        ttl: seconds a session's server is remembered.
    """

    def __init__(self, redis: Redis, *, worker: str, ttl: int) -> None:
        self._redis = redis
        self._worker = worker
        self._ttl = ttl

    async def exchange(self, news: Mapping[str, ServerNews]) -> Mapping[str, int]:
        """Tell this process's news; return the other processes' answers under way by server."""
        now = time.time()
        servers = {name: {"open": item.open, "up": item.up} for name, item in news.items()}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(BOARD, self._worker, json.dumps({"at": now, "servers": servers}))
                pipe.expire(BOARD, HASH_TTL_SECONDS)
                pipe.hgetall(BOARD)
                *_, words = await pipe.execute()
            board = read_board(words, now=now)
            await self._clear(gone=[worker for worker in words if worker.decode() not in board])
        except (RedisError, OSError) as error:
            logger.warning("The model servers' board can't be read: %s", type(error).__name__)
            return {}
        elsewhere: Counter[str] = Counter()
        for worker, said in board.items():
            if worker != self._worker:
                elsewhere.update({name: item.open for name, item in said.items()})
        return elsewhere

    async def _clear(self, *, gone: list[bytes]) -> None:
        if gone:
            await self._redis.hdel(BOARD, *(worker.decode() for worker in gone))

    async def home(self, session: str) -> str:
        """Return the name of the server that answered the session last."""
        try:
            name = await self._redis.get(self._home(session))
        except (RedisError, OSError):
            return ""
        return name.decode() if isinstance(name, bytes) else ""

    async def settle(self, session: str, name: str) -> None:
        """Note which server answers the session."""
        try:
            await self._redis.set(self._home(session), name, ex=self._ttl)
        except (RedisError, OSError) as error:
            logger.warning("A session's server is not remembered: %s", type(error).__name__)

    @staticmethod
    def _home(session: str) -> str:
        return f"model_servers:home:{session}"
