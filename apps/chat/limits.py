"""How often somebody may do something."""

import time

from redis.asyncio import Redis


class TokenBucket:
    """Allows ``per_minute`` actions a minute, in bursts of as many.

    Pure: the caller gives the time. The classic token bucket: RFC 2697 simplified to one rate.
    """

    def __init__(self, *, per_minute: int, now: float) -> None:
        self._capacity = float(per_minute)
        self._level = self._capacity
        self._updated = now

    def take(self, *, now: float) -> bool:
        """Take one; ``False`` when there is none left.

        Args:
            now: monotonic time, s.
        """
        gained = (now - self._updated) * self._capacity / 60
        self._level = min(self._capacity, self._level + gained)
        self._updated = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


async def within_rate(redis: Redis, who: str, *, per_minute: int) -> bool:
    """Count one action of ``who`` in this minute, over all processes; ``False`` beyond the limit.

    Args:
        who: a key without personal content, such as a user's id.
    """
    key = f"rate:{who}:{int(time.time() // 60)}"
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incr(key)
        pipe.expire(key, 120)
        used, _ = await pipe.execute()
    return int(used) <= per_minute
