"""A question and its answer so far, in Redis for as long as the session may live.

A hash holds the question's state, a list the answer's batches: batch ``seq`` is element
``seq - 1``. Text lives here only; Redis runs without persistence.
"""

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from redis.asyncio import Redis

from apps.chat.figures import Figures

QUEUE = "questions:waiting"


class State(StrEnum):
    """A question's life: waiting → running → done or failed."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as stored.

    Attributes:
        live: asked by live mode, so its answer is shown once, whole.
        asked_at: when it reached the platform, s since the epoch.
        frame_id: key of its frame in the frame store, empty until one was taken.
        attempt: 1, or 2 after a lost worker.
    """

    session_id: str
    id: str
    text: str
    live: bool
    asked_at: float
    state: State
    frame_id: str
    attempt: int
    outcome: dict[str, Any]


_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'text', ARGV[1], 'live', ARGV[2], 'asked_at', ARGV[3],
    'state', 'waiting', 'frame_id', '', 'attempt', '1')
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SADD', KEYS[2], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[4])
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[3], ARGV[3], ARGV[6]) end
return 1
"""
# Only the first caller of an attempt gets it, and only while nothing has ended the question.
_CLAIM = """
if redis.call('HGET', KEYS[1], 'state') ~= 'waiting' then return 0 end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'running')
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
# A second attempt is allowed once, only while running, without a lease and without any token out.
_RETRY = """
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
if redis.call('HGET', KEYS[1], 'attempt') ~= '1' then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('LLEN', KEYS[3]) > 0 then return 0 end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'attempt', '2')
return 1
"""
# Batches and the end are taken from the attempt that owns the question only: a worker that was
# given up for lost and comes back late changes nothing.
_APPEND = """
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
local seq = redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return seq
"""
_FINISH = """
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'waiting' and state ~= 'running' then return 0 end
if ARGV[5] ~= '' and redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'outcome', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[4])
redis.call('DEL', KEYS[3])
return 1
"""


class QuestionStore:
    """All questions of all sessions; safe to make many times over one client.

    Args:
        redis: client with bytes in and out.
        ttl: seconds a question and its answer are kept.
    """

    def __init__(self, redis: Redis, *, ttl: int) -> None:
        self.redis = redis
        self._ttl = ttl

    @staticmethod
    def _key(session_id: str, question_id: str) -> str:
        return f"question:{session_id}:{question_id}"

    @staticmethod
    def _batches(session_id: str, question_id: str) -> str:
        return f"answer:{session_id}:{question_id}"

    @staticmethod
    def _lease(session_id: str, question_id: str) -> str:
        return f"lease:{session_id}:{question_id}"

    def _keys(self, session_id: str, question_id: str) -> list[str]:
        return [
            self._key(session_id, question_id),
            self._lease(session_id, question_id),
            self._batches(session_id, question_id),
        ]

    @staticmethod
    def _index(session_id: str) -> str:
        return f"questions:of:{session_id}"

    async def create(self, session_id: str, question_id: str, *, text: str, live: bool) -> bool:
        """Store a new question; ``False`` when the session has one with that id already."""
        keys = [self._key(session_id, question_id), self._index(session_id), QUEUE]
        member = f"{session_id}:{question_id}"
        args: list[str | int | float] = [
            text,
            int(live),
            time.time(),
            self._ttl,
            question_id,
            "" if live else member,
        ]
        return bool(await self.redis.register_script(_CREATE)(keys=keys, args=args))

    async def load(self, session_id: str, question_id: str) -> Question | None:
        """Return the question, ``None`` when unknown or expired."""
        key = self._key(session_id, question_id)
        raw = cast("dict[bytes, bytes]", await self.redis.hgetall(key))
        if b"state" not in raw:
            return None
        return Question(
            session_id=session_id,
            id=question_id,
            text=raw[b"text"].decode(),
            live=raw[b"live"] == b"1",
            asked_at=float(raw[b"asked_at"]),
            state=State(raw[b"state"].decode()),
            frame_id=raw[b"frame_id"].decode(),
            attempt=int(raw[b"attempt"]),
            outcome=json.loads(raw.get(b"outcome", b"{}")),
        )

    async def set_frame(self, session_id: str, question_id: str, *, frame_id: str) -> None:
        """Note which stored frame the question is about."""
        await self.redis.hset(self._key(session_id, question_id), "frame_id", frame_id)

    async def claim(
        self, session_id: str, question_id: str, *, attempt: int, worker: str, lease_ms: int
    ) -> bool:
        """Take a waiting question to answer it; ``False`` when it is not to be had."""
        keys = [self._key(session_id, question_id), self._lease(session_id, question_id)]
        script = self.redis.register_script(_CLAIM)
        return bool(await script(keys=keys, args=[attempt, worker, lease_ms]))

    async def renew(
        self, session_id: str, question_id: str, *, attempt: int, lease_ms: int
    ) -> bool:
        """Prolong the lease; ``False`` when this attempt no longer owns the question."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.pexpire(self._lease(session_id, question_id), lease_ms)
            pipe.hmget(self._key(session_id, question_id), ["state", "attempt"])
            _, owned = await pipe.execute()
        return bool(owned == [b"running", str(attempt).encode()])

    async def is_leased(self, session_id: str, question_id: str) -> bool:
        """Return whether a worker still says that it is answering."""
        return bool(await self.redis.exists(self._lease(session_id, question_id)))

    async def retry(self, session_id: str, question_id: str) -> bool:
        """Set a question whose worker was lost back to waiting, once and if no token went out."""
        script = self.redis.register_script(_RETRY)
        return bool(await script(keys=self._keys(session_id, question_id)))

    async def append(self, session_id: str, question_id: str, *, attempt: int, text: str) -> int:
        """Add a batch of the answer; return its number, 0 when this attempt no longer owns it."""
        keys = [self._key(session_id, question_id), self._batches(session_id, question_id)]
        script = self.redis.register_script(_APPEND)
        return int(await script(keys=keys, args=[attempt, text, self._ttl]))

    async def batches(self, session_id: str, question_id: str, *, after: int) -> list[str]:
        """Return the texts of batches ``after + 1``, ``after + 2``, …"""
        key = self._batches(session_id, question_id)
        raw = cast("list[bytes]", await self.redis.lrange(key, after, -1))
        return [item.decode() for item in raw]

    async def finish(
        self,
        session_id: str,
        question_id: str,
        *,
        state: State,
        outcome: dict[str, Any],
        attempt: int | None = None,
    ) -> bool:
        """End a question once; ``False`` when it has ended already or is unknown.

        Args:
            outcome: the response without its text, or ``error`` and ``detail``.
            attempt: only if this attempt still owns it; ``None`` ends it whoever does.
        """
        keys = [
            self._key(session_id, question_id),
            QUEUE,
            self._lease(session_id, question_id),
        ]
        member = f"{session_id}:{question_id}"
        args: list[str | int] = [state, json.dumps(outcome), self._ttl, member, attempt or ""]
        if not await self.redis.register_script(_FINISH)(keys=keys, args=args):
            return False
        if outcome.get("error", "cancelled") != "cancelled":  # That was its asker's wish.
            await Figures(self.redis).failed(outcome["error"], session_id=session_id)
        return True

    async def depth(self, *, older_than: float) -> int:
        """Return how many questions wait or run; those asked before ``older_than`` are dropped.

        Args:
            older_than: s since the epoch; nothing that old can still be answered.
        """
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(QUEUE, "-inf", older_than)
            pipe.zcard(QUEUE)
            _, size = await pipe.execute()
        return int(size)

    async def drop(self, session_id: str, question_id: str) -> None:
        """Delete one question and its answer."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(*self._keys(session_id, question_id))
            pipe.srem(self._index(session_id), question_id)
            await pipe.execute()

    async def forget(self, session_id: str) -> None:
        """Delete every question and answer of a session."""
        index = self._index(session_id)
        members = cast("set[bytes]", await self.redis.smembers(index))
        ids = [member.decode() for member in members]
        keys = [index]
        for question_id in ids:
            keys += self._keys(session_id, question_id)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.delete(*keys)
            if ids:
                pipe.zrem(QUEUE, *(f"{session_id}:{question_id}" for question_id in ids))
            await pipe.execute()
