"""The model servers as the workers find them, for Prometheus.

Workers serve no metrics page. Any web process reads their board when it is scraped and shows the
whole platform's figures, so several web processes show the same ones: take the maximum.
"""

import time
from collections.abc import Iterator
from typing import cast

from django.conf import settings
from prometheus_client.core import REGISTRY, CollectorRegistry, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from apps.chat.server_board import BOARD, read_board
from apps.inference.board import ServerNews

READ_SECONDS = 0.5


class ServerMetrics(Collector):
    """Reads the board anew for each scrape; shows nothing when Redis does not answer."""

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without asking Redis."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        """Sum up what the workers said."""
        up, answers = self._families()
        totals: dict[str, tuple[int, bool]] = {}
        for said in self._board().values():
            for name, news in said.items():
                count, well = totals.get(name, (0, False))
                totals[name] = (count + news.open, well or news.up)
        for name, (count, well) in sorted(totals.items()):
            up.add_metric([name], int(well))
            answers.add_metric([name], count)
        yield up
        yield answers

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        up = GaugeMetricFamily(
            "qwencam_model_server_up",
            "1 if a worker reached the model server lately.",
            labels=["server"],
        )
        answers = GaugeMetricFamily(
            "qwencam_model_server_answers",
            "Answers that the model server is giving to all workers.",
            labels=["server"],
        )
        return up, answers

    @staticmethod
    def _board() -> dict[str, dict[str, ServerNews]]:
        client = Redis.from_url(
            settings.REDIS_URL, socket_timeout=READ_SECONDS, socket_connect_timeout=READ_SECONDS
        )
        with client:
            try:
                words = cast("dict[bytes, bytes]", client.hgetall(BOARD))
            except (RedisError, OSError):
                return {}
        return read_board(words, now=time.time())


def registry() -> CollectorRegistry:
    """Return the model servers' metrics alone."""
    alone = CollectorRegistry()
    alone.register(ServerMetrics())
    return alone


def register() -> None:
    """Show the model servers on this process's metrics page."""
    REGISTRY.register(ServerMetrics())
