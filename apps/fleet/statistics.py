"""What was answered lately, and how fast: counts by the minute, kept in Redis for an hour.

All processes add to the same counts, so whoever reads them sees the whole platform. Durations are
counted in geometric buckets, each `RATIO` times the one before: a percentile read from them is
at most 5 % off, and a minute costs a few hundred bytes however much is asked. No content.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

MINUTES_KEPT = 62
RATIO = 1.1
LAST_ERROR_SECONDS = 3600


def bucket_of(seconds: float) -> int:
    """The bucket of a duration: bucket n holds what is above RATIO^(n-1) ms, up to RATIO^n ms."""
    return max(0, math.ceil(math.log(max(seconds * 1000, 1e-9), RATIO)))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """The duration, s, that `share` (0 to 1) of the counted ones do not exceed; None of none.

    It is the geometric middle of the bucket that holds it.
    """
    left = math.ceil(sum(buckets.values()) * share)
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0:
            return round(float(RATIO ** (bucket - 0.5)) / 1000, 4)
    return None


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One minute's counts.

    Attributes:
        at: its beginning, s since the epoch.
        first: time to first token, by bucket.
        whole: time to the whole answer, by bucket.
        streams: cameras connected, as last counted in that minute.
    """

    at: int
    answers: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    first: Mapping[int, int] = field(default_factory=dict)
    whole: Mapping[int, int] = field(default_factory=dict)
    streams: int = 0

    @classmethod
    def of(cls, at: int, raw: Mapping[bytes, bytes]) -> Self:
        """Read a minute's hash."""
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in "aefws"}
        for name, value in raw.items():
            kind, _, rest = name.decode().partition(":")
            counts[kind][rest] = int(value)
        return cls(
            at=at,
            answers=counts["a"][""],
            errors=dict(counts["e"]),
            first={int(bucket): count for bucket, count in counts["f"].items()},
            whole={int(bucket): count for bucket, count in counts["w"].items()},
            streams=sum(counts["s"].values()),
        )


def together(minutes: Sequence[Minute]) -> Minute:
    """Several minutes as one that began with the first; streams are those of the last."""
    errors: Counter[str] = Counter()
    first: Counter[int] = Counter()
    whole: Counter[int] = Counter()
    for minute in minutes:
        errors.update(minute.errors)
        first.update(minute.first)
        whole.update(minute.whole)
    return Minute(
        at=minutes[0].at,
        answers=sum(minute.answers for minute in minutes),
        errors=errors,
        first=first,
        whole=whole,
        streams=minutes[-1].streams,
    )


class Statistics:
    """Counts and reads; cheap to make, over one client.

    Counting an answer or an error raises nothing: what is counted has happened all the same.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def answered(self, *, first: float, whole: float) -> None:
        """Count an answer: `first`, time to first token, and `whole`, both s from the question."""
        with suppress(RedisError, OSError):
            await self._add(("a:", f"f:{bucket_of(first)}", f"w:{bucket_of(whole)}"))

    async def failed(self, code: str, *, session_id: str) -> None:
        """Count an error and keep its code as the session's last."""
        with suppress(RedisError, OSError):
            await self._redis.set(_last_error(session_id), code, ex=LAST_ERROR_SECONDS)
            await self._add((f"e:{code}",))

    async def streams(self, process: str, count: int) -> None:
        """Say how many cameras a process holds."""
        key = _key(_this_minute())
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(key, f"s:{process}", str(count))
            pipe.expire(key, MINUTES_KEPT * 60)
            await pipe.execute()

    async def minutes(self, *, last: int) -> list[Minute]:
        """The last so many minutes, the current one included, oldest first."""
        now = _this_minute()
        moments = [now - 60 * ago for ago in reversed(range(last))]
        async with self._redis.pipeline(transaction=False) as pipe:
            for moment in moments:
                pipe.hgetall(_key(moment))
            raw = cast("list[dict[bytes, bytes]]", await pipe.execute())
        return [Minute.of(at, counts) for at, counts in zip(moments, raw, strict=True)]

    async def last_errors(self, session_ids: Sequence[str]) -> dict[str, str]:
        """The code of each session's last error, where there was one within the hour."""
        if not session_ids:
            return {}
        found: list[Any] = await self._redis.mget([_last_error(one) for one in session_ids])
        pairs = zip(session_ids, found, strict=True)
        return {session_id: code.decode() for session_id, code in pairs if code}

    async def _add(self, names: Sequence[str]) -> None:
        key = _key(_this_minute())
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hincrby(key, name, 1)
            pipe.expire(key, MINUTES_KEPT * 60)
            await pipe.execute()


def _this_minute() -> int:
    return int(time.time() // 60) * 60


def _key(minute: int) -> str:
    return f"figures:{minute}"


def _last_error(session_id: str) -> str:
    return f"figures:last-error:{session_id}"
