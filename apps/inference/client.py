"""Streams answers from model servers that speak OpenAI's chat completions protocol.

Plain HTTP rather than OpenAI's SDK: measured against a local server, the SDK takes twice as long
from call to wire and 1.4 to 2 times the processor time for a streamed answer.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from apps.inference.board import OwnBoard, ServerBoard, ServerNews
from apps.inference.chunks import Delta, ModelError, Usage
from apps.inference.exchange import WENT_AWAY, Exchange
from apps.inference.health import probe
from apps.inference.metrics import ANSWER_SECONDS, FAILOVERS, FIRST_TOKEN_SECONDS, REQUESTS
from apps.inference.routing import Server, in_order
from apps.inference.transport import http_client

__all__ = ["Delta", "ModelError", "ModelServers", "Usage"]

LOOK_EVERY_SECONDS = 1.0
LOOK_SECONDS = 0.9
"""A server that has not answered by then counts as dead, unless an answer of its own is coming
in: so one that hangs is left out within two seconds."""

logger = logging.getLogger(__name__)


class ModelServers:
    """One or more servers of one model. Belongs to one event loop; `aclose` ends it.

    While it is in use, one task looks at each server every second: a dead one is asked last, and
    one that is back is asked again. That task runs from `watch` or the first answer to `aclose`.

    Args:
        base_urls: where they are, each ending in /v1.
        stall_seconds: after that much silence the server is asked whether it is alive.
        timeout_seconds: the longest a whole answer may take.
        board: tells and hears what other processes ask of the same servers.
    """

    def __init__(
        self,
        *,
        base_urls: Sequence[str],
        api_key: str,
        model: str,
        stall_seconds: float,
        timeout_seconds: float,
        board: ServerBoard | None = None,
    ) -> None:
        self._servers = [Server(url) for url in base_urls]
        self._board = board or OwnBoard()
        self._watcher: asyncio.Task[None] | None = None
        self._turns = 0
        self._model = model
        self._stall_seconds = stall_seconds
        self._timeout_seconds = timeout_seconds
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._client = http_client(base_urls)

    async def aclose(self) -> None:
        """Ends the looks at the servers and closes all connections."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._client.aclose()

    def watch(self) -> None:
        """Begins to look at the servers; may be called any number of times."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def stream_chat(
        self, messages: list[dict[str, Any]], *, max_tokens: int, session: str = ""
    ) -> AsyncGenerator[Delta | Usage, None]:
        """Yields `Delta`s as they come and one `Usage` at the end, or raises `ModelError`.

        A server that fails is followed by the next, which must say again what was said so far;
        that part is not yielded twice. Closing the generator, or cancelling its task, makes the
        server stop generating.

        Args:
            session: whose questions go to the same server while it is well and not too busy.
        """
        self.watch()
        began = time.monotonic()
        outcome = "cancelled"
        first = True
        body = self._body(messages, max_tokens)
        try:
            async with aclosing(self._answer(body, began, session)) as answer:
                async for part in answer:
                    if first:
                        FIRST_TOKEN_SECONDS.observe(time.monotonic() - began)
                        first = False
                    yield part
            outcome = "answered"
            ANSWER_SECONDS.observe(time.monotonic() - began)
        except ModelError as error:
            outcome = error.code
            raise
        finally:
            REQUESTS.labels(outcome).inc()

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

    async def _answer(
        self, body: bytes, began: float, session: str
    ) -> AsyncGenerator[Delta | Usage, None]:
        """The answer of the first server that gives it whole."""
        said = ""
        home = await self._home(session)
        servers = self._best_first(home)
        for server in servers:
            try:
                exchange = self._exchange(server, body, began)
                async with aclosing(_beyond(said, _counted(server, exchange))) as parts:
                    async for part in parts:
                        if isinstance(part, Delta):
                            said += part.text
                        yield part
                if session and server.name != home and len(servers) > 1:
                    await self._board.settle(session, server.name)
                return
            except ModelError as error:
                self._note_failure(server, error)
                if not error.retryable or server is servers[-1]:
                    error.retryable = error.retryable and not said
                    raise
            FAILOVERS.inc()

    async def _home(self, session: str) -> str:
        """The name of the server whose caches hold what the session said; "" when unknown."""
        several = len(self._servers) > 1
        return await self._board.home(session) if session and several else ""

    def _best_first(self, home: str) -> list[Server]:
        """The servers in the order in which they are asked."""
        servers = in_order(self._servers, home=home, now=time.monotonic())
        self._turns += 1
        servers[0].turn = self._turns
        return servers

    def _note_failure(self, server: Server, error: ModelError) -> None:
        if error.code != "model_unavailable":
            return
        server.refused_at = time.monotonic()
        server.up = server.up and not error.dead

    def _exchange(self, server: Server, body: bytes, began: float) -> Exchange:
        return Exchange(
            client=self._client,
            base_url=server.base_url,
            headers=self._headers,
            body=body,
            model=self._model,
            stall_seconds=self._stall_seconds,
            doubted=lambda: self._has_better_than(server),
            deadline=began + self._timeout_seconds,
        )

    def _has_better_than(self, server: Server) -> bool:
        """Whether the last look found `server` dead and another one well."""
        return not server.up and any(other.up for other in self._servers)

    async def _watch(self) -> None:
        """Looks at the servers and tells the other processes, again and again."""
        while True:
            began = time.monotonic()
            await asyncio.gather(*(self._look(server) for server in self._servers))
            await self._tell()
            await asyncio.sleep(max(0.0, LOOK_EVERY_SECONDS - (time.monotonic() - began)))

    async def _look(self, server: Server) -> None:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                alive, _ = await probe(server.base_url, client=self._client)
        except TimeoutError:
            # A busy server may be late, but then it is heard of.
            alive = server.heard_at >= asked_at
        if alive:
            server.came_back()
        elif server.up:
            logger.warning("The model server %s is left out until it is well.", server.name)
            server.up = False

    async def _tell(self) -> None:
        news = {server.name: ServerNews(server.open, server.up) for server in self._servers}
        elsewhere = await self._board.exchange(news)
        for server in self._servers:
            server.elsewhere = elsewhere.get(server.name, 0)


async def _counted(server: Server, exchange: Exchange) -> AsyncGenerator[Delta | Usage, None]:
    """The parts of `exchange`, while the server counts as busy."""
    server.open += 1
    try:
        async with aclosing(exchange.parts()) as parts:
            async for part in parts:
                server.heard_at = time.monotonic()
                yield part
    finally:
        server.open -= 1


async def _beyond(
    said: str, answer: AsyncGenerator[Delta | Usage, None]
) -> AsyncGenerator[Delta | Usage, None]:
    """What `answer` says beyond `said`, with which it must begin.

    The model decodes greedily, so another server gives the same answer, as a rule. Raises
    `ModelError` where it does not: half an answer of each would be worse than an error.
    """
    async with aclosing(answer) as parts:
        async for part in parts:
            if not said:
                yield part
                continue
            text = part.text if isinstance(part, Delta) else ""
            if not text or not (said.startswith(text) or text.startswith(said)):
                raise ModelError.unavailable(WENT_AWAY, retryable=False)
            rest, said = text[len(said) :], said[len(text) :]
            if rest:
                yield Delta(rest)
