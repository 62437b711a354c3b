"""What a model server says of itself: vLLM's own metrics, model and version."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from apps.inference.connection import probe

TIMEOUT_SECONDS = 1.5

_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_KV_CACHE = "vllm:kv_cache_usage_perc"
_PREFIX_HITS = "vllm:prefix_cache_hits"
_PREFIX_QUERIES = "vllm:prefix_cache_queries"
_TOKENS = "vllm:generation_tokens"
_WANTED = (_RUNNING, _WAITING, _KV_CACHE, _PREFIX_HITS, _PREFIX_QUERIES, _TOKENS)


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """One server at one moment; None where it does not say (not every server is vLLM).

    Attributes:
        detail: why it is down.
        running, waiting: requests.
        kv_cache_use: share of the KV cache in use, 0 to 1.
        prefix_hit_rate: share of the prompt tokens found in the prefix cache since its start.
        tokens: tokens generated since its start.
        tokens_per_second: since the last reading.
    """

    url: str
    up: bool
    detail: str = ""
    model: str | None = None
    version: str | None = None
    running: int | None = None
    waiting: int | None = None
    kv_cache_use: float | None = None
    prefix_hit_rate: float | None = None
    tokens: float | None = None
    tokens_per_second: float | None = None


class ServerStatusReader:
    """Reads one server's status, again and again.

    Args:
        base_url: ends in /v1.
        client: the caller's, with no timeout of its own.
    """

    def __init__(self, base_url: str, *, api_key: str, client: httpx.AsyncClient) -> None:
        self._base_url = base_url
        self._root = base_url.removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = client
        self._identity: tuple[str | None, str | None] | None = None
        self._last: tuple[float, float] | None = None

    async def read(self, *, now: float) -> ServerStatus:
        """Return how it is; never raises. `now` is monotonic, s."""
        alive, detail = await probe(self._base_url, client=self._client)
        if not alive:
            self._identity = self._last = None  # It may come back as another.
            return ServerStatus(url=self._base_url, up=False, detail=detail)
        if self._identity is None:
            self._identity = (await self._model(), await self._version())
        model, version = self._identity
        metrics = parse_metrics(await self._text(f"{self._root}/metrics"))
        status = status_of(self._base_url, metrics)
        rate = self._rate(status.tokens, now=now)
        return replace(status, model=model, version=version, tokens_per_second=rate)

    def _rate(self, tokens: float | None, *, now: float) -> float | None:
        """Tokens a second since the last reading; None at the first, and after a restart."""
        last, self._last = self._last, None if tokens is None else (now, tokens)
        if last is None or tokens is None or tokens < last[1] or now <= last[0]:
            return None
        return (tokens - last[1]) / (now - last[0])

    async def _model(self) -> str | None:
        listed = await self._json(f"{self._base_url}/models")
        try:
            return str(listed["data"][0]["id"])
        except (KeyError, IndexError, TypeError):
            return None

    async def _version(self) -> str | None:
        said = await self._json(f"{self._root}/version")
        return str(said["version"]) if "version" in said else None

    async def _json(self, url: str) -> dict[str, list[dict[str, str]]]:
        try:
            response = await self._client.get(url, headers=self._headers, timeout=TIMEOUT_SECONDS)
            content = response.json() if response.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    async def _text(self, url: str) -> str:
        try:
            response = await self._client.get(url, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return ""
        return response.text if response.status_code == 200 else ""


def parse_metrics(text: str) -> dict[str, float]:
    """The wanted ones of a Prometheus text, summed over their labels (engines, models).

    The others are passed over unparsed: a server has a thousand of them.
    """
    wanted = "\n".join(_lines(text, _WANTED)) + "\n"
    totals: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(wanted):
            for sample in family.samples:
                name = sample.name.removesuffix("_total")
                if name in _WANTED:
                    totals[name] = totals.get(name, 0.0) + sample.value
    except ValueError:
        return {}
    return totals


def status_of(url: str, metrics: dict[str, float]) -> ServerStatus:
    """The status of a server that lives."""
    queries = metrics.get(_PREFIX_QUERIES)
    return ServerStatus(
        url=url,
        up=True,
        running=_whole(metrics.get(_RUNNING)),
        waiting=_whole(metrics.get(_WAITING)),
        kv_cache_use=metrics.get(_KV_CACHE),
        prefix_hit_rate=metrics.get(_PREFIX_HITS, 0.0) / queries if queries else None,
        tokens=metrics.get(_TOKENS),
    )


def _lines(text: str, names: tuple[str, ...]) -> Iterable[str]:
    return (line for line in text.splitlines() if line.startswith(names))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
