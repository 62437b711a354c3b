"""Prometheus's text format, read into samples: https://prometheus.io/docs/instrumenting/exposition_formats/.

Read here and not by prometheus_client, so that the monitor runs wherever rich and httpx are.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.models.printable import printable
from deploy.monitor.strangers import is_measure

_SAMPLE: Final = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\S+)?\s*")
_LABEL: Final = re.compile(r'([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"[\s,]*')
_ESCAPES: Final = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class MetricsPage:
    """One scrape.

    Attributes:
        at: when, seconds of a monotonic clock.
        samples: by name, then by labels in alphabetical order.
    """

    at: float
    samples: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """Return the sum over all labels; None where there is no such sample."""
        found = self.samples.get(name)
        return sum(found.values()) if found else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """Return the sums for each value of a label; samples without it are passed over."""
        sums: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label)
            if key is not None:
                sums[key] = sums.get(key, 0.0) + value
        return sums


def parse(text: str, *, at: float) -> MetricsPage:
    """Return what a metrics page says; lines that are no samples are passed over.

    So are numbers that tell nothing (NaN, infinite ones). Takes time in proportion to the text.
    """
    samples: dict[str, dict[Labels, float]] = {}
    for name, labels, value in _samples(text):
        samples.setdefault(name, {})[labels] = value
    return MetricsPage(at=at, samples=samples)


def _samples(text: str) -> Iterator[tuple[str, Labels, float]]:
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line)
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        if is_measure(value):
            yield found[1], _labels(found[2] or ""), value


def _labels(text: str) -> Labels:
    return tuple(sorted((found[1], _unescaped(found[2])) for found in _labels_in_a_row(text)))


def _labels_in_a_row(text: str) -> Iterator[re.Match[str]]:
    """Yield them up to what is none: to search on from every place takes the square of the time."""
    at = 0
    while found := _LABEL.match(text, at):
        yield found
        at = found.end()


def _unescaped(value: str) -> str:
    return printable(re.sub(r'\\[n"\\]', lambda escape: _ESCAPES[escape[0]], value))
