"""The platform as it is now: read from the database and Redis for each scrape.

It is the same at whichever web process one asks, so of several take the maximum. What can't be read
is left out: the health checks on the same page show what is away.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from asgiref.sync import sync_to_async
from cryptography import x509
from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from apps.camera_sessions import lifecycle
from apps.fleet import presence
from apps.fleet.queue_depth import read_depth
from apps.fleet.redis_client import async_redis
from apps.fleet.server_loads import read_loads
from apps.live_settings.current import current
from qwencam_site.health import health_checks

Families = Sequence[GaugeMetricFamily]
READ_SECONDS: Final = 1.5


async def platform_page() -> bytes:
    """Return all of it in Prometheus's text format; takes about ``READ_SECONDS`` at most."""
    parts = await asyncio.gather(read_health(), *(_within_time(read) for read in READERS))
    registry = CollectorRegistry()
    registry.register(_Read([family for families in parts for family in families]))
    return generate_latest(registry)


class _Read(Collector):
    """What has been read."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families


async def _within_time(read: Callable[[], Awaitable[Families]]) -> Families:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await read()
    except Exception:  # Whatever is away: a metrics page reports it, it never fails itself.
        return ()


async def read_health() -> Families:
    """What ``/health`` says; bounded in time by itself, so that what hangs is reported."""
    family = GaugeMetricFamily(
        "qwencam_health_check", "1 if the part is well, as in /health.", labels=["check"]
    )
    for name, check in (await health_checks()).items():
        family.add_metric([name], int(check.status == "ok"))
    return (family,)


async def read_workers() -> Families:
    """The inference workers that have reported lately."""
    reports = (await presence.worker_facts(async_redis())).values()
    return (
        _single("qwencam_workers", "Inference workers heard of lately.", len(reports)),
        _single(
            "qwencam_worker_slots",
            "Answers that all workers can give at once.",
            sum(report.get("pool", 0) for report in reports),
        ),
        _single(
            "qwencam_worker_slots_used",
            "Answers that all workers are giving.",
            sum(report.get("active", 0) for report in reports),
        ),
    )


async def read_model_servers() -> Families:
    """The model servers as the workers find them."""
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
    totals: dict[str, tuple[int, bool]] = {}
    for servers in (await read_loads(async_redis())).values():
        for name, load in servers.items():
            count, well = totals.get(name, (0, False))
            totals[name] = (count + load.open, well or load.up)
    for name, (count, well) in sorted(totals.items()):
        up.add_metric([name], int(well))
        answers.add_metric([name], count)
    return up, answers


async def read_queue() -> Families:
    """The questions that wait or are being answered, and the limit in force."""
    stale_since = time.time() - settings.MODEL_TIMEOUT_SECONDS - 60
    depth = await read_depth(async_redis(), older_than=stale_since)
    queue = GaugeMetricFamily(
        "qwencam_queue_depth",
        "Questions and live frames that wait or are being answered.",
        labels=["kind"],
    )
    queue.add_metric(["question"], depth.questions)
    queue.add_metric(["live"], depth.live)
    limit = current().max_queue_depth
    return queue, _single("qwencam_queue_limit", "Most of them at once (MAX_QUEUE_DEPTH).", limit)


async def read_sessions() -> Families:
    """The camera sessions that are live, and the limit in force."""
    count = await sync_to_async(lifecycle.count_live, thread_sensitive=False)(
        idle_seconds=settings.SESSION_IDLE_SECONDS
    )
    live = current()
    return (
        _single("qwencam_sessions", "Live camera sessions.", count),
        _single("qwencam_sessions_limit", "Most of them (MAX_SESSIONS).", live.max_sessions),
        _single(
            "qwencam_accepting_sessions",
            "1 if new sessions open, 0 while draining.",
            int(live.accept_sessions),
        ),
    )


async def read_process() -> Families:
    """The version that runs, and the end of the certificate that this process serves."""
    build = GaugeMetricFamily("qwencam_build_info", "The version that runs.", labels=["version"])
    build.add_metric([settings.VERSION], 1)
    ends = certificate_end(os.environ.get("SSL_CERT_PATH", ""))
    if ends is None:
        return (build,)
    return build, _single(
        "qwencam_certificate_expiry_timestamp_seconds",
        "When the certificate that this process serves expires, s since the epoch.",
        ends,
    )


@cache
def certificate_end(path: str) -> float | None:
    """Return when a certificate expires, s since the epoch; None without one.

    Read once: a process goes on with the certificate that it started with.
    """
    if not path:
        return None
    (own, *_) = x509.load_pem_x509_certificates(Path(path).read_bytes())
    return own.not_valid_after_utc.timestamp()


def _single(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)


READERS: Final = (
    read_workers,
    read_model_servers,
    read_queue,
    read_sessions,
    read_process,
)
