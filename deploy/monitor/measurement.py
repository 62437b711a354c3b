"""Numbers of one metrics page, or of what changed between two."""

import math
from dataclasses import dataclass

from deploy.monitor.exposition import MetricsPage
from deploy.monitor.strangers import is_measure


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """How long something took, s; None where it did not happen.

    A percentile beyond the last bound is that bound: it took at least so long.
    """

    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, kw_only=True)
class Between:
    """What happened between two scrapes; without an earlier one, since the server's start.

    A counter that fell was begun anew by a restart, so all it says has happened since.
    """

    now: MetricsPage
    before: MetricsPage | None

    @property
    def seconds(self) -> float | None:
        """The time between them; None without an earlier one."""
        return None if self.before is None else self.now.at - self.before.at

    def increase(self, name: str) -> float | None:
        """Return by how much a counter grew over all labels; None where there is none."""
        now = self.now.value(name)
        before = self.before.value(name) if self.before else None
        return None if now is None else _grown(before, now)

    def increase_by_label(self, name: str, label: str) -> dict[str, float]:
        """Return by how much a counter grew, for each value of a label."""
        before = self.before.by_label(name, label) if self.before else {}
        now = self.now.by_label(name, label)
        return {key: _grown(before.get(key), value) for key, value in now.items()}

    def per_second(self, name: str) -> float | None:
        """Return a counter's rate; None without an earlier scrape."""
        grown, seconds = self.increase(name), self.seconds
        return grown / seconds if grown is not None and seconds else None

    def percentiles(self, histogram: str) -> Percentiles:
        """Return the percentiles of what a histogram took in."""
        now = _buckets(self.now, histogram)
        before = _buckets(self.before, histogram) if self.before else {}
        if any(value < before.get(bound, 0.0) for bound, value in now.items()):
            before = {}
        grown = {bound: value - before.get(bound, 0.0) for bound, value in now.items()}
        return Percentiles(
            count=round(grown.get(math.inf, 0.0)),
            p50=quantile(grown, 0.5),
            p95=quantile(grown, 0.95),
            p99=quantile(grown, 0.99),
        )


def _grown(before: float | None, now: float) -> float:
    return now if before is None or now < before else now - before


def _buckets(page: MetricsPage, histogram: str) -> dict[float, float]:
    by_bound = page.by_label(f"{histogram}_bucket", "le")
    buckets = {}
    for text, count in by_bound.items():
        bound = _bound(text)
        if bound == math.inf or is_measure(bound):
            buckets[bound] = count
    return buckets


def _bound(text: str) -> float:
    try:
        return float(text)  # Python reads +Inf as Prometheus writes it.
    except ValueError:
        return math.nan


def quantile(buckets: dict[float, float], share: float) -> float | None:
    """Return a quantile as Prometheus does: between two bounds it is taken as even.

    Args:
        buckets: how many took at most so long, s; the last bound is infinite.
        share: 0 to 1.
    """
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    rank, low, below = share * total, 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= rank:
            inside = count - below
            if math.isinf(bound) or inside <= 0:
                return low
            return low + (bound - low) * (rank - below) / inside
        low, below = bound, count
    return low
