"""Asks a server for its health and metrics, its model servers for theirs, this machine for GPUs.

Whatever is away becomes a sentence; nothing here raises.
"""

import asyncio
import ipaddress
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from apps.inference.gpus import Gpu
from deploy.models.printable import printable
from deploy.monitor.exposition import MetricsPage, parse
from deploy.monitor.strangers import is_measure

# /health answers within 2 s whatever hangs, and /metrics soon after.
TIMEOUT_SECONDS: Final = 5.0
MODEL_SERVER_SECONDS: Final = 2.0
# A page of a large platform has some hundred kilobytes.
MOST_BYTES: Final = 4 * 2**20
MOST_MODEL_SERVERS: Final = 100
# Host and port and nothing else: a path would choose what is asked for.
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
Status = Literal["ok", "degraded", "down", "unreachable"]
NO_ANSWER: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)


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

    async def _get(self, url: str, *, seconds: float) -> httpx.Response:
        """Return the answer, read whole; raises one of `NO_ANSWER`.

        httpx's own timeout is for each read, so one byte now and then would never end it.
        """
        content = bytearray()
        # Compressed, few bytes could become very many.
        plain = {"Accept-Encoding": "identity"}
        async with (
            asyncio.timeout(seconds),
            self._client.stream("GET", url, headers=plain, timeout=seconds) as reply,
        ):
            async for part in reply.aiter_raw():
                content += part
                if len(content) > MOST_BYTES:
                    raise httpx.ReadError(f"it sends more than {MOST_BYTES // 2**20} MiB")
        location = [each for each in reply.headers.raw if each[0].lower() == b"location"]
        return httpx.Response(reply.status_code, headers=location, content=bytes(content))

    async def _health(self) -> Health:
        try:
            reply = await self._get(f"{self._url}/health", seconds=TIMEOUT_SECONDS)
        except NO_ANSWER as error:
            return Health(status="unreachable", problem=_why(error))
        return parse_health(reply)

    async def _metrics(self) -> tuple[MetricsPage | None, str]:
        try:
            reply = await self._get(f"{self._url}/metrics", seconds=TIMEOUT_SECONDS)
        except NO_ANSWER as error:
            return None, f"/metrics can't be read. {_why(error)}"
        if reply.status_code == 403:
            return None, (
                "The server shows its metrics to the addresses in METRICS_ALLOW only: "
                "add this machine's there and restart it."
            )
        if reply.status_code != 200:
            return None, (
                f"/metrics answers {reply.status_code}: a proxy in front may hide it, so give the "
                "address of the web server itself."
            )
        return parse(reply.text, at=time.monotonic()), ""

    async def _model_servers(self, names: Sequence[str]) -> dict[str, MetricsPage]:
        near = [name for name in names if reachable_from_here(name, server_url=self._url)]
        near = near[:MOST_MODEL_SERVERS]
        pages = await asyncio.gather(*(self._model_server(name) for name in near))
        return {name: page for name, page in zip(near, pages, strict=True) if page}

    async def _model_server(self, name: str) -> MetricsPage | None:
        try:
            reply = await self._get(f"http://{name}/metrics", seconds=MODEL_SERVER_SECONDS)
        except NO_ANSWER:
            return None
        page = parse(reply.text, at=time.monotonic()) if reply.status_code == 200 else None
        return page if page and page.samples else None


def parse_health(reply: httpx.Response) -> Health:
    """Return what an answer to ``GET /health`` says; 503 is an answer like 200."""
    try:
        body: Any = json.loads(reply.content)
        checks = {
            printable(str(name)): HealthCheck(
                status=printable(str(check["status"])),
                latency_ms=latency if is_measure(latency := check.get("latency_ms")) else None,
                detail=printable(str(check.get("detail", ""))),
            )
            for name, check in body["checks"].items()
        }
        status = body["status"]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        problem = f"/health answers {reply.status_code}, and that is no health report"
        if reply.is_redirect:
            location = printable(reply.headers.get("location", "another address"))
            problem = f"It redirects to {location}"
        return Health(status="unreachable", problem=f"{problem}: is this QwenCam's address?")
    known: Status = status if status in ("ok", "degraded", "down") else "down"
    return Health(status=known, version=printable(str(body.get("version", ""))), checks=checks)


def reachable_from_here(name: str, *, server_url: str) -> bool:
    """Is a model server's address the same one here as on the server?

    One on the loopback of another machine is not, nor is what is no host with its port.
    """
    if not _ADDRESS.fullmatch(name):
        return False
    host = name.rpartition("]")[0][1:] if name.startswith("[") else name.partition(":")[0]
    return not _is_loopback(host) or _is_loopback(urlsplit(server_url).hostname)


def _is_loopback(host: str | None) -> bool:
    """So is what this machine takes for its own: no address at all, and ``127.1``."""
    name = (host or "").lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        last = name.rpartition(".")[2]
        return last == "localhost" or bool(re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last))
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _why(error: Exception) -> str:
    """Say in a sentence why there is no answer."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"No answer within {TIMEOUT_SECONDS:.0f} s."
    text = printable(str(error))
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "Its certificate isn't trusted here: name the authority's file in SSL_CERT_FILE."
            if "hostname" not in text.lower()
            else "Its certificate is for another name: give the address that it names."
        )
    if isinstance(error, httpx.ConnectError):
        return "Nothing answers there: connection refused, or no such host."
    text = text.rstrip(".") or type(error).__name__
    return f"{text[:1].upper()}{text[1:]}."
