"""Streams answers from model servers that speak OpenAI's chat completions protocol.

Plain HTTP rather than OpenAI's SDK: measured against a local server, the SDK takes twice as long
from call to wire and 1.4 to 2 times the processor time for a streamed answer.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from apps.fleet.server_loads import ServerLoad, ServerLoads
from apps.inference.completion import Completion, Delta, ServerUnavailable, Usage
from apps.inference.connection import http_client, probe
from apps.inference.failover import ResumedAnswer
from apps.inference.metrics import FAILOVERS, RequestTimer
from apps.inference.routing import Server, in_order

HEALTH_CHECK_EVERY_SECONDS = 1.0
HEALTH_CHECK_SECONDS = 0.9
"""A server that has not answered by then counts as dead, unless an answer of its own is coming
in: so one that hangs is left out within two seconds."""

logger = logging.getLogger(__name__)


class ModelServers:
    """One or more servers of one model. Belongs to one event loop; `aclose` ends it.

    While it is in use, one task checks each server's health every second: a dead one is asked
    last, and one that is back is asked again. That task runs from `start_health_checks` or the
    first answer to `aclose`.

    Args:
        base_urls: where they are, each ending in /v1.
        stall_seconds: after that much silence the server is asked whether it is alive.
        timeout_seconds: the longest a whole answer may take.
        loads: what all processes ask of the same servers.
    """

    def __init__(
        self,
        *,
        base_urls: Sequence[str],
        api_key: str,
        model: str,
        stall_seconds: float,
        timeout_seconds: float,
        loads: ServerLoads,
    ) -> None:
        self._servers = [Server(url) for url in base_urls]
        self._loads = loads
        self._health_checks: asyncio.Task[None] | None = None
        self._requests = 0
        self._model = model
        self._stall_seconds = stall_seconds
        self._timeout_seconds = timeout_seconds
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._client = http_client(base_urls)

    async def aclose(self) -> None:
        """Ends the health checks and closes all connections."""
        if self._health_checks is not None:
            self._health_checks.cancel()
            await asyncio.gather(self._health_checks, return_exceptions=True)
        await self._client.aclose()

    def start_health_checks(self) -> None:
        """May be called any number of times."""
        if self._health_checks is None:
            self._health_checks = asyncio.create_task(self._check_health_again_and_again())

    async def stream_chat(
        self, messages: list[dict[str, Any]], *, max_tokens: int, session: str = ""
    ) -> AsyncGenerator[Delta | Usage, None]:
        """Yields `Delta`s as they come and one `Usage` at the end, or raises a `Refusal`.

        A server that fails is followed by the next, which must say again what was said so far;
        that part is not yielded twice. Closing the generator, or cancelling its task, makes the
        server stop generating.

        Args:
            session: whose questions go to the same server while it is well and not too busy.
        """
        self.start_health_checks()
        deadline = time.monotonic() + self._timeout_seconds
        body = self._body(messages, max_tokens)
        answer = ResumedAnswer()
        with RequestTimer() as timer:
            sticky = await self._sticky_server(session)
            servers = self._best_first(sticky)
            for server in servers:
                answer.begin()
                try:
                    async with self._asked(server, body, deadline=deadline) as parts:
                        async for part in parts:
                            server.heard_at = time.monotonic()
                            if (new := answer.new(part)) is not None:
                                timer.token()
                                yield new
                    break
                except ServerUnavailable as error:
                    self._note_failure(server, error)
                    if server is servers[-1]:
                        raise
                FAILOVERS.inc()
            if session and server.name != sticky and len(servers) > 1:
                await self._loads.stick(session, server.name)

    def _body(self, messages: list[dict[str, Any]], max_tokens: int) -> bytes:
        request = {
            "model": self._model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return json.dumps(request).encode()

    async def _sticky_server(self, session: str) -> str:
        """The name of the server whose caches hold what the session said; "" when unknown."""
        several = len(self._servers) > 1
        return await self._loads.sticky_server(session) if session and several else ""

    def _best_first(self, sticky: str) -> list[Server]:
        """The servers in the order in which they are asked."""
        servers = in_order(self._servers, sticky=sticky, now=time.monotonic())
        self._requests += 1
        servers[0].last_request = self._requests
        return servers

    @asynccontextmanager
    async def _asked(
        self, server: Server, body: bytes, *, deadline: float
    ) -> AsyncIterator[AsyncIterator[Delta | Usage]]:
        """The parts of the server's answer; it counts as busy until the context is left."""
        completion = Completion(
            client=self._client,
            base_url=server.base_url,
            headers=self._headers,
            body=body,
            model=self._model,
            stall_seconds=self._stall_seconds,
            suspected=lambda: self._has_better_than(server),
            deadline=deadline,
        )
        with server.answering():
            async with aclosing(completion.stream()) as parts:
                yield parts

    def _has_better_than(self, server: Server) -> bool:
        """Whether the last health checks found `server` dead and another one well."""
        return not server.up and any(other.up for other in self._servers)

    def _note_failure(self, server: Server, error: ServerUnavailable) -> None:
        server.refused_at = time.monotonic()
        server.up = server.up and not error.dead

    async def _check_health_again_and_again(self) -> None:
        """Checks all servers every second and tells the other processes."""
        while True:
            began = time.monotonic()
            await asyncio.gather(*(self._check_health(server) for server in self._servers))
            await self._exchange_loads()
            taken = time.monotonic() - began
            await asyncio.sleep(max(0.0, HEALTH_CHECK_EVERY_SECONDS - taken))

    async def _check_health(self, server: Server) -> None:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(HEALTH_CHECK_SECONDS):
                alive, _ = await probe(server.base_url, client=self._client)
        except TimeoutError:
            # One that is busy with answers may be late, but then it is heard of.
            alive = server.heard_at >= asked_at
        if alive:
            server.came_back()
        elif server.up:
            logger.warning("The model server %s is left out until it is well.", server.name)
            server.up = False

    async def _exchange_loads(self) -> None:
        loads = {server.name: ServerLoad(server.open, server.up) for server in self._servers}
        elsewhere = await self._loads.exchange(loads)
        for server in self._servers:
            server.elsewhere = elsewhere.get(server.name, 0)
