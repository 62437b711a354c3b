"""HTTP connections to model servers, and whether the server at the other end is alive."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import cache
from typing import Self, TypeVar

import httpx

CONNECT_SECONDS = 2.0
WRITE_SECONDS = 10.0
KEEPALIVE_SECONDS = 4.0
"""Shorter than vLLM's own 5 s, so that a connection is rarely closed under a new request."""
PROBE_SECONDS = 2.0
SUSPECT_EVERY_SECONDS = 0.25
"""How often a silent server is thought about: what a suspected one delays an answer at most."""

Result = TypeVar("Result")


def http_client(base_urls: Sequence[str]) -> httpx.AsyncClient:
    """A client for one event loop, which its owner closes.

    Reading has no timeout here: callers watch for silence. Proxies in the environment are
    ignored, so that frames go to the model server and nowhere else.
    """
    return httpx.AsyncClient(
        verify=_certificates(base_urls),
        trust_env=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS),
        limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
    )


def _certificates(base_urls: Sequence[str]) -> ssl.SSLContext | bool:
    """What verifies the servers; loading certificates takes 20 ms, so not for http: only."""
    return _tls() if any(url.startswith("https:") for url in base_urls) else False


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def probe(base_url: str, *, client: httpx.AsyncClient | None = None) -> tuple[bool, str]:
    """Asks `GET /health` beside `base_url` (which ends in /v1): (alive, why not).

    A server that answers at all, even with 404, is alive: `/health` is vLLM's, not OpenAI's.
    Never raises, and takes `PROBE_SECONDS` at most for each step of the request.
    """
    url = f"{base_url.removesuffix('/v1')}/health"
    async with AsyncExitStack() as owned:
        if client is None:
            client = await owned.enter_async_context(http_client((base_url,)))
        try:
            response = await client.get(url, timeout=PROBE_SECONDS)
        except httpx.TimeoutException:
            return False, "The model server does not answer."
        except (httpx.HTTPError, httpx.InvalidURL):
            return False, "The model server can't be reached."
    if response.status_code >= 500:
        return False, f"The model server says it is unwell ({response.status_code})."
    return True, ""


class ServerDead(Exception):
    """A server was found dead while it was waited for. The text says in a sentence how."""


class LivenessTimeout:
    """Bounds the waits for one server: by a deadline, and by the server's being alive.

    A slow model may be silent for long and be well, so silence alone ends nothing: the server is
    probed then. One task does that for all waits of the context: a task for each wait would be one
    for each token.

    Args:
        stall_seconds: after that much silence the server is probed, and again after as much.
        suspected: whether to probe it sooner than that.
        deadline: monotonic seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        client: httpx.AsyncClient,
        stall_seconds: float,
        suspected: Callable[[], bool],
        deadline: float,
    ) -> None:
        self._base_url = base_url
        self._client = client
        self._stall_seconds = stall_seconds
        self._suspected = suspected
        self._deadline = deadline
        self._wait: asyncio.Timeout | None = None
        self._silent_since = 0.0
        self._cause_of_death = ""

    async def __aenter__(self) -> Self:
        self._prober = asyncio.create_task(self._probe_while_silent())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._prober.cancel()
        await asyncio.wait({self._prober})

    async def wait(self, step: Awaitable[Result]) -> Result:
        """Awaits `step`, one at a time; what is given up is cancelled.

        Raises `TimeoutError` at the deadline, and `ServerDead` once the server is found dead.
        """
        self._silent_since, self._cause_of_death = time.monotonic(), ""
        try:
            async with asyncio.timeout(self._deadline - self._silent_since) as self._wait:
                return await step
        except TimeoutError as error:
            if self._cause_of_death:
                raise ServerDead(self._cause_of_death) from error
            raise
        finally:
            self._wait = None

    async def _probe_while_silent(self) -> None:
        while True:
            await asyncio.sleep(min(SUSPECT_EVERY_SECONDS, self._stall_seconds))
            wait = self._wait
            stalled = time.monotonic() - self._silent_since >= self._stall_seconds
            if wait is None or not (stalled or self._suspected()):
                continue
            alive, detail = await probe(self._base_url, client=self._client)
            if wait is not self._wait or wait.expired():
                continue  # It has sent something meanwhile: late with its health, but alive.
            if alive:
                self._silent_since = time.monotonic()
            else:
                self._cause_of_death = detail
                wait.reschedule(asyncio.get_running_loop().time())
