"""A question and its answer so far, in Redis for as long as the session may live.

A hash holds the question's state, a list the answer's batches: batch ``seq`` is element
``seq - 1``. Text lives here only; Redis runs without persistence.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, cast

from redis.asyncio import Redis

from apps.contract import ErrorCode
from apps.fleet.queue_depth import LIVE, QUEUE, RUNNING, SECONDS, Depth, read_depth
from apps.fleet.statistics import Statistics

RECENT_ANSWERS = 20


class State(StrEnum):
    """A question's life: waiting → running → done or failed."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


QUESTION = "question:"
LEASE = "lease:"


def member(session_id: str, question_id: str) -> str:
    """Return how a question is named in sorted sets and lists; session ids have no colon."""
    return f"{session_id}:{question_id}"


@dataclass(frozen=True, kw_only=True)
class NewQuestion:
    """One question as asked.

    Attributes:
        asker: whose questions are counted together and take turns as one, such as a user's id.
        live: asked by live mode.
        keep_frame: its frame may be asked about again.
    """

    session_id: str
    id: str
    text: str
    asker: str
    live: bool = False
    keep_frame: bool = False


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as stored.

    Attributes:
        live: asked by live mode, so its answer is shown once, whole.
        asked_at: when it reached the platform, s since the epoch.
        frame_id: key of its frame in the frame store, empty until one was taken.
        attempt: 1, or 2 after a lost worker.
        asker: whose questions take turns as one.
        keep_frame: its frame may be asked about again.
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
    asker: str
    keep_frame: bool

    @classmethod
    def read(cls, session_id: str, question_id: str, raw: Mapping[bytes, bytes]) -> Self:
        """Return the question that a hash holds."""
        return cls(
            session_id=session_id,
            id=question_id,
            text=raw[b"text"].decode(),
            live=raw[b"live"] == b"1",
            asked_at=float(raw[b"asked_at"]),
            state=State(raw[b"state"].decode()),
            frame_id=raw[b"frame_id"].decode(),
            attempt=int(raw[b"attempt"]),
            outcome=json.loads(raw.get(b"outcome", b"{}")),
            asker=raw[b"asker"].decode(),
            keep_frame=raw[b"keep"] == b"1",
        )


# Keys 1 to 3 and arguments 1 to 8 are those of `QuestionStore.creation`.
CREATE_FUNCTION = """
local function create()
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('HSET', KEYS[1], 'text', ARGV[1], 'live', ARGV[2], 'asked_at', ARGV[3],
        'state', 'waiting', 'frame_id', '', 'attempt', '1', 'asker', ARGV[7], 'keep', ARGV[8])
    redis.call('EXPIRE', KEYS[1], ARGV[4])
    redis.call('SADD', KEYS[2], ARGV[5])
    redis.call('EXPIRE', KEYS[2], ARGV[4])
    redis.call('ZADD', KEYS[3], ARGV[3], ARGV[6])
    return 1
end
"""
_CREATE = f"{CREATE_FUNCTION} return create()"
# A second attempt is allowed once, only while running, without a lease and without any token out.
_RETRY = """
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
if redis.call('HGET', KEYS[1], 'attempt') ~= '1' then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('LLEN', KEYS[3]) > 0 then return 0 end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'attempt', '2')
redis.call('HDEL', KEYS[1], 'unleased_since')
redis.call('ZREM', KEYS[4], ARGV[1])
return 1
"""
# Noted by a write: while Redis refuses writes, leases run out though their workers are there.
_NOTE_UNLEASED = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local since = redis.call('HGET', KEYS[1], 'unleased_since')
if not since then
    redis.call('HSET', KEYS[1], 'unleased_since', ARGV[1])
    return 0
end
return tonumber(ARGV[1]) - tonumber(since) >= tonumber(ARGV[2]) and 1 or 0
"""
# A lease that ran out while Redis refused writes begins anew.
_RENEW = """
local state, attempt = unpack(redis.call('HMGET', KEYS[1], 'state', 'attempt'))
if state ~= 'running' or attempt ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('HDEL', KEYS[1], 'unleased_since')
return 1
"""
# Batches and the end are taken from the attempt that owns the question only: a worker that was
# given up for lost and comes back late changes nothing. Both may be said twice, since a reply that
# was lost has the command sent again.
_APPEND = """
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
if redis.call('LLEN', KEYS[2]) < tonumber(ARGV[4]) then
    redis.call('RPUSH', KEYS[2], ARGV[2])
    redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return 1
"""
_FINISH = """
local state, attempt, outcome = unpack(redis.call('HMGET', KEYS[1], 'state', 'attempt', 'outcome'))
if state == 'done' and ARGV[1] == 'done' and attempt == ARGV[5] and outcome == ARGV[2] then
    return 1
end
if state ~= 'waiting' and state ~= 'running' then return 0 end
if ARGV[5] ~= '' and redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'outcome', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('DEL', KEYS[2])
for i = 3, 5 do redis.call('ZREM', KEYS[i], ARGV[4]) end
if ARGV[6] ~= '' then
    redis.call('LPUSH', KEYS[6], ARGV[6])
    redis.call('LTRIM', KEYS[6], 0, ARGV[7] - 1)
    redis.call('EXPIRE', KEYS[6], ARGV[3])
end
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
        return QUESTION + member(session_id, question_id)

    @staticmethod
    def _batches(session_id: str, question_id: str) -> str:
        return f"answer:{session_id}:{question_id}"

    @staticmethod
    def _lease(session_id: str, question_id: str) -> str:
        return LEASE + member(session_id, question_id)

    def _keys(self, session_id: str, question_id: str) -> list[str]:
        return [
            self._key(session_id, question_id),
            self._lease(session_id, question_id),
            self._batches(session_id, question_id),
        ]

    @staticmethod
    def _index(session_id: str) -> str:
        return f"questions:of:{session_id}"

    async def create(self, new: NewQuestion) -> bool:
        """Store a new question; ``False`` when the session has one with that id already."""
        keys, args = self.creation(new)
        return bool(await self.redis.register_script(_CREATE)(keys=keys, args=args))

    def creation(self, new: NewQuestion) -> tuple[list[str], list[str | int | float]]:
        """Return the keys and arguments of ``CREATE_FUNCTION`` for a question asked now."""
        keys = [
            self._key(new.session_id, new.id),
            self._index(new.session_id),
            LIVE if new.live else QUEUE,
        ]
        return keys, [
            new.text,
            int(new.live),
            time.time(),
            self._ttl,
            new.id,
            member(new.session_id, new.id),
            new.asker,
            int(new.keep_frame),
        ]

    async def load(self, session_id: str, question_id: str) -> Question | None:
        """Return the question, ``None`` when unknown or expired."""
        key = self._key(session_id, question_id)
        raw = cast("dict[bytes, bytes]", await self.redis.hgetall(key))
        return Question.read(session_id, question_id, raw) if b"state" in raw else None

    async def renew(
        self, session_id: str, question_id: str, *, attempt: int, worker: str, lease_ms: int
    ) -> bool:
        """Prolong the lease; ``False`` when this attempt no longer owns the question."""
        keys = [self._key(session_id, question_id), self._lease(session_id, question_id)]
        script = self.redis.register_script(_RENEW)
        return bool(await script(keys=keys, args=[attempt, worker, lease_ms]))

    async def worker_is_lost(self, session_id: str, question_id: str, *, grace: float) -> bool:
        """Return whether a running question was found without a lease ``grace`` seconds ago, too.

        A worker that is there renews its lease meanwhile.
        """
        keys = [self._key(session_id, question_id), self._lease(session_id, question_id)]
        script = self.redis.register_script(_NOTE_UNLEASED)
        return bool(await script(keys=keys, args=[time.time(), grace]))

    async def retry(self, session_id: str, question_id: str) -> bool:
        """Set a question whose worker was lost back to waiting, once and if no token went out."""
        script = self.redis.register_script(_RETRY)
        keys = [*self._keys(session_id, question_id), RUNNING]
        return bool(await script(keys=keys, args=[member(session_id, question_id)]))

    async def append(
        self, session_id: str, question_id: str, *, attempt: int, seq: int, text: str
    ) -> bool:
        """Add batch ``seq`` of the answer; ``False`` when this attempt no longer owns it."""
        keys = [self._key(session_id, question_id), self._batches(session_id, question_id)]
        script = self.redis.register_script(_APPEND)
        return bool(await script(keys=keys, args=[attempt, text, self._ttl, seq]))

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
        seconds: float | None = None,
    ) -> bool:
        """End a question once; ``False`` when it has ended already or is unknown.

        Args:
            outcome: the response without its text, or ``error`` and ``detail``.
            attempt: only if this attempt still owns it; ``None`` ends it whoever does.
            seconds: how long the answer took; remembered for estimates.
        """
        keys = [
            self._key(session_id, question_id),
            self._lease(session_id, question_id),
            QUEUE,
            LIVE,
            RUNNING,
            SECONDS,
        ]
        args: list[str | int | float] = [
            state,
            json.dumps(outcome),
            self._ttl,
            member(session_id, question_id),
            attempt or "",
            "" if seconds is None else seconds,
            RECENT_ANSWERS,
        ]
        if not await self.redis.register_script(_FINISH)(keys=keys, args=args):
            return False
        # A cancelled one is no failure: its asker asked for that.
        if outcome.get("error", ErrorCode.CANCELLED) != ErrorCode.CANCELLED:
            await Statistics(self.redis).failed(outcome["error"], session_id=session_id)
        return True

    async def depth(self, *, older_than: float) -> Depth:
        """Return what waits or runs; questions asked before ``older_than`` are dropped.

        Args:
            older_than: s since the epoch; nothing that old can still be answered.
        """
        return await read_depth(self.redis, older_than=older_than)

    async def anything_runs(self) -> bool:
        """Return whether any question is being answered."""
        return bool(await self.redis.exists(RUNNING))

    async def drop(self, session_id: str, question_id: str) -> None:
        """Delete one question and its answer."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(*self._keys(session_id, question_id))
            pipe.srem(self._index(session_id), question_id)
            for name in (QUEUE, LIVE, RUNNING):
                pipe.zrem(name, member(session_id, question_id))
            await pipe.execute()

    async def forget(self, session_id: str) -> None:
        """Delete every question and answer of a session."""
        index = self._index(session_id)
        members = cast("set[bytes]", await self.redis.smembers(index))
        ids = [item.decode() for item in members]
        keys = [index]
        for question_id in ids:
            keys += self._keys(session_id, question_id)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.delete(*keys)
            for name in (QUEUE, LIVE, RUNNING):
                if ids:
                    pipe.zrem(name, *(member(session_id, question_id) for question_id in ids))
            await pipe.execute()
