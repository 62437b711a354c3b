"""Which frames live mode works on: newest wins.

Pure: no clock, no task. At most one item in flight and one waiting; a newer one takes the place
of the one that waits, so nothing stale is ever queued.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class FrameSampler(Generic[T]):
    """Paces items of any kind (frames, or the wish for one) to one every `interval` seconds.

    Times are seconds of one monotonic clock, given by the caller.
    """

    def __init__(self, *, interval: float) -> None:
        """Start idle; ValueError unless `interval` is positive."""
        if interval <= 0:
            raise ValueError("The interval between samples must be positive.")
        self.dropped = 0
        self._interval = interval
        self._waiting: T | None = None
        self._in_flight = False
        self._started_at = float("-inf")

    @property
    def in_flight(self) -> bool:
        """Tell whether an item was started and not finished."""
        return self._in_flight

    def offer(self, item: T) -> T | None:
        """Let `item` wait; return the older one that it displaced, if any."""
        displaced, self._waiting = self._waiting, item
        if displaced is not None:
            self.dropped += 1
        return displaced

    def start(self, now: float) -> T | None:
        """Put the waiting item in flight and return it, or None when it is not its time."""
        if self._in_flight or self._waiting is None or self.delay(now) > 0:
            return None
        item, self._waiting = self._waiting, None
        self._in_flight = True
        self._started_at = now
        return item

    def finish(self) -> None:
        """End the item in flight; RuntimeError when there is none."""
        if not self._in_flight:
            raise RuntimeError("No sample is in flight.")
        self._in_flight = False

    def delay(self, now: float) -> float:
        """Return the seconds until the pace allows the next start; 0 when it does now."""
        return max(0.0, self._started_at + self._interval - now)

    def pace(self, *, interval: float) -> None:
        """Change the interval from now on; ValueError unless it is positive."""
        if interval <= 0:
            raise ValueError("The interval between samples must be positive.")
        self._interval = interval
