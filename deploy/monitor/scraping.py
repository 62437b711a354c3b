"""Asks a server for its health and metrics, its model servers for theirs, this machine for GPUs.

Whatever is away becomes a sentence; nothing here raises.
"""

import asyncio
import ipaddress
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from apps.inference.gpus import Gpu
from deploy.monitor.exposition import MetricsPage, parse

# /health answers within 2 s whatever hangs, and /metrics soon after.
TIMEOUT_SECONDS: Final = 5.0
MODEL_SERVER_SECONDS: Final = 2.0
Status = Literal["ok", "degraded", "down", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """What ``/health`` says of one part."""

    status: str
    latency_ms: float | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """What ``/health`` says, or in a sentence why it says nothing."""

    status: Status
    version: str = ""
    problem: str = ""
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All that could be learned at one moment.

    Attributes:
        at: seconds of a monotonic clock.
        time: seconds since the epoch.
        metrics: None where they can't be read; `metrics_problem` says why.
        model_servers: the pages of those that have one and can be reached from here.
    """

    at: float
    time: float
    health: Health
    metrics: MetricsPage | None = None
    metrics_problem: str = ""
    model_servers: Mapping[str, MetricsPage] = field(default_factory=dict)
    gpus: Sequence[Gpu] = ()


class Scraper:
    """Reads one server.

    Args:
        url: where it is, without a path.
        client: the caller's.
        read_gpus: what tells of this machine's GPUs.
    """

    def __init__(
        self, url: str, *, client: httpx.AsyncClient, read_gpus: Callable[[], Sequence[Gpu]]
    ) -> None:
        self._url = url
        self._client = client
        self._read_gpus = read_gpus

    async def read(self) -> Reading:
        """Ask all at once; takes `TIMEOUT_SECONDS` and `MODEL_SERVER_SECONDS` at most."""
        health, (metrics, problem), gpus = await asyncio.gather(
            self._health(), self._metrics(), asyncio.to_thread(self._read_gpus)
        )
        servers = metrics.by_label("qwencam_model_server_up", "server") if metrics else {}
        return Reading(
            at=time.monotonic(),
            time=time.time(),
            health=health,
            metrics=metrics,
            metrics_problem="" if health.status == "unreachable" else problem,
            model_servers=await self._model_servers(sorted(servers)),
            gpus=gpus,
        )

    async def _health(self) -> Health:
        try:
            reply = await self._client.get(f"{self._url}/health", timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Health(status="unreachable", problem=_why(error))
        return parse_health(reply)

    async def _metrics(self) -> tuple[MetricsPage | None, str]:
        try:
            reply = await self._client.get(f"{self._url}/metrics", timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, f"/metrics can't be read: {_why(error)}"
        if reply.status_code == 403:
            return None, (
                "The server shows its metrics to the addresses in METRICS_ALLOW only: "
                "add this machine's there and restart it."
            )
        if reply.status_code != 200:
            return None, f"/metrics answers {reply.status_code}."
        return parse(reply.text, at=time.monotonic()), ""

    async def _model_servers(self, names: Sequence[str]) -> dict[str, MetricsPage]:
        near = [name for name in names if reachable_from_here(name, server_url=self._url)]
        pages = await asyncio.gather(*(self._model_server(name) for name in near))
        return {name: page for name, page in zip(near, pages, strict=True) if page}

    async def _model_server(self, name: str) -> MetricsPage | None:
        try:
            reply = await self._client.get(f"http://{name}/metrics", timeout=MODEL_SERVER_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        page = parse(reply.text, at=time.monotonic()) if reply.status_code == 200 else None
        return page if page and page.samples else None


def parse_health(reply: httpx.Response) -> Health:
    """Return what an answer to ``GET /health`` says; 503 is an answer like 200."""
    try:
        body: Any = json.loads(reply.content)
        checks = {
            str(name): HealthCheck(
                status=str(check["status"]),
                latency_ms=check.get("latency_ms"),
                detail=str(check.get("detail", "")),
            )
            for name, check in body["checks"].items()
        }
        status = body["status"]
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = f"/health answers {reply.status_code} and no health report"
        if reply.is_redirect:
            problem = f"it redirects to {reply.headers.get('location', 'elsewhere')}"
        return Health(status="unreachable", problem=f"{problem}: is this QwenCam's address?")
    known: Status = status if status in {"ok", "degraded", "down"} else "down"
    return Health(status=known, version=str(body.get("version", "")), checks=checks)


def reachable_from_here(name: str, *, server_url: str) -> bool:
    """Is a model server's address the same one here as on the server?

    One on the loopback of another machine is not.
    """
    return not _is_loopback(urlsplit(f"//{name}").hostname) or _is_loopback(
        urlsplit(server_url).hostname
    )


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Say in a few words why there is no answer."""
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_SECONDS:.0f} s."
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "its certificate isn't trusted here: name the authority's file in SSL_CERT_FILE."
            if "hostname" not in text.lower()
            else "its certificate is for another name."
        )
    if isinstance(error, httpx.ConnectError):
        return "nothing answers there: connection refused or no such host."
    return f"{text or type(error).__name__}."
