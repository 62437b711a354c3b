"""How often somebody may do something."""


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
