"""What the monitor remembers: readings for its window, numbers for its sparklines. All bounded."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from deploy.monitor.scraping import Reading
from deploy.monitor.snapshot import Snapshot, snapshot

WINDOW_SECONDS: Final = 60.0
# More than the widest terminal shows.
KEPT_POINTS: Final = 240


class History:
    """Turns readings into snapshots and keeps what those need.

    While a server is away its series go on with gaps, and its last snapshot stays.
    """

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._readings: deque[Reading] = deque()
        self._series: dict[str, deque[float | None]] = {}
        self._points = 0
        self.away_since: float | None = None
        self.latest: Snapshot | None = None
        self.last_full: Snapshot | None = None

    def add(self, reading: Reading) -> Snapshot:
        """Take in a reading; return what to show of it."""
        self._forget(before=reading.at - WINDOW_SECONDS)
        earlier = [kept for kept in self._readings if kept.metrics is not None]
        shown = snapshot(
            reading,
            server_url=self._server_url,
            before=earlier[0] if earlier else None,
            last=earlier[-1] if earlier else None,
        )
        self._readings.append(reading)
        self._note_absence(shown)
        self._add_point(dict(numbers(shown)))
        self.latest = shown
        return shown

    def series(self, name: str) -> list[float | None]:
        """Return a number's values, the latest last; None where it was not known."""
        return list(self._series.get(name, ()))

    def _forget(self, *, before: float) -> None:
        while self._readings and self._readings[0].at < before:
            self._readings.popleft()

    def _note_absence(self, shown: Snapshot) -> None:
        if shown.health.status == "unreachable":
            self.away_since = self.away_since or shown.time
            return
        self.away_since = None
        if shown.platform is not None:
            self.last_full = shown

    def _add_point(self, point: dict[str, float]) -> None:
        self._points = min(self._points + 1, KEPT_POINTS)
        for name in point.keys() - self._series.keys():
            gap = [None] * (self._points - 1)
            self._series[name] = deque(gap, maxlen=KEPT_POINTS)
        for name, values in self._series.items():
            values.append(point.get(name))


def numbers(shown: Snapshot) -> Iterator[tuple[str, float]]:
    """Yield what sparklines are drawn of, by name."""
    platform = shown.platform
    if platform is not None:
        for name in (
            "sessions",
            "sockets",
            "streams",
            "slots_used",
            "questions_per_minute",
            "answers_per_minute",
            "frames_per_second",
        ):
            value = getattr(platform, name)
            if value is not None:
                yield name, value
        if platform.queue:
            yield "queue", sum(platform.queue.values())
        yield "errors", sum(error.lately for error in shown.errors.values())
    for title, times in shown.latencies.items():
        if times.p95 is not None and shown.window_seconds is not None:
            yield f"latency {title}", times.p95
    for name, server in shown.model_servers.items():
        if server.tokens_per_second is not None:
            yield f"tokens {name}", server.tokens_per_second
    for index, gpu in enumerate(shown.gpus):
        if gpu.use is not None:
            yield f"gpu {index}", gpu.use
