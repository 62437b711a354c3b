"""One request to one model server and the answer it streams."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from apps.inference.chunks import Chunk, Delta, ModelError, Usage, refusal
from apps.inference.health import probe
from apps.inference.sse import EventReader, EventTooLarge

DRAIN_SECONDS = 0.1
DOUBT_EVERY_SECONDS = 0.25
MAX_ERROR_BYTES = 65_536
_DONE = b"[DONE]"
WENT_AWAY = "The model server went away while answering."

Result = TypeVar("Result")


class _ConnectionClosed(Exception):
    """The connection ended before an answer began, as a kept one does when the server tires."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A chat completion asked of the server at `base_url`.

    Attributes:
        body: the request, JSON.
        model: its model, for error messages.
        stall_seconds: after that much silence the server is asked whether it is alive.
        doubted: whether it is worth asking that sooner.
        deadline: when (monotonic) the answer must be whole.
    """

    client: httpx.AsyncClient
    base_url: str
    headers: dict[str, str]
    body: bytes
    model: str
    stall_seconds: float
    doubted: Callable[[], bool]
    deadline: float

    async def parts(self) -> AsyncGenerator[Delta | Usage, None]:
        """Yields `Delta`s and one `Usage`, or raises `ModelError`.

        The connection is closed however this ends: before the end of the answer that makes the
        server stop generating.
        """
        last = Chunk()
        async with AsyncExitStack() as stack:
            response = await self._begin(stack)
            incoming = response.aiter_bytes()
            async with aclosing(self._chunks(incoming)) as chunks:
                async for chunk in chunks:
                    last = last.followed_by(chunk)
                    if chunk.text:
                        yield Delta(chunk.text)
            yield Usage(last.prompt_tokens, last.completion_tokens, last.finish_reason)
            await _drain(incoming)

    async def _begin(self, stack: AsyncExitStack) -> httpx.Response:
        """Sends the request; the response's head says that an answer follows.

        A kept connection may be closed by the server at the very moment it is used again, so one
        that closes unanswered is worth a second try.
        """
        try:
            response = await self._send(stack)
        except _ConnectionClosed:
            response = await self._send_anew(stack)
        if response.status_code != 200:
            raise refusal(response.status_code, await self._error_text(response), model=self.model)
        return response

    async def _send_anew(self, stack: AsyncExitStack) -> httpx.Response:
        try:
            return await self._send(stack)
        except _ConnectionClosed as error:
            raise ModelError.unreachable("The model server closed the connection.") from error

    async def _send(self, stack: AsyncExitStack) -> httpx.Response:
        try:
            return await self._patiently(self._open(stack))
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            raise _ConnectionClosed from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelError.unreachable("The model server can't be reached.") from error

    async def _open(self, stack: AsyncExitStack) -> httpx.Response:
        """The response's head; `stack` closes the response even if nobody awaits this any more."""
        request = self.client.build_request(
            "POST", f"{self.base_url}/chat/completions", content=self.body, headers=self.headers
        )
        response = await self.client.send(request, stream=True)
        stack.push_async_callback(response.aclose)
        return response

    async def _error_text(self, response: httpx.Response) -> str:
        try:
            return await self._patiently(_beginning(response))
        except httpx.HTTPError:
            return ""

    async def _chunks(self, incoming: AsyncIterator[bytes]) -> AsyncGenerator[Chunk, None]:
        """All chunks up to the end mark, or up to the stream's end after a finish reason."""
        reader = EventReader()
        finished = False
        while received := await self._receive(incoming):
            for event in _events(reader, received):
                if event == _DONE:
                    return
                chunk = Chunk.parse(event)
                finished = finished or bool(chunk.finish_reason)
                yield chunk
        if not finished:
            raise ModelError.unavailable(WENT_AWAY)

    async def _receive(self, incoming: AsyncIterator[bytes]) -> bytes:
        """The next bytes, or none at the end."""
        try:
            return await self._patiently(_next(incoming))
        except httpx.HTTPError as error:
            raise ModelError.unreachable(WENT_AWAY) from error

    async def _patiently(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Waits for `work` as long as the server lives and the deadline is not reached."""
        task = asyncio.ensure_future(work)
        due = time.monotonic() + self.stall_seconds
        try:
            while True:
                left = min(due, self.deadline) - time.monotonic()
                await asyncio.wait({task}, timeout=max(0.0, min(DOUBT_EVERY_SECONDS, left)))
                now = time.monotonic()
                if task.done():
                    return task.result()
                if now >= self.deadline:
                    raise ModelError("model_timeout", "The model took too long to answer.")
                if now >= due or self.doubted():
                    await self._check_alive()
                    due = time.monotonic() + self.stall_seconds
        finally:
            await _end(task)

    async def _check_alive(self) -> None:
        alive, detail = await probe(self.base_url, client=self.client)
        if not alive:
            raise ModelError.unreachable(detail)


def _events(reader: EventReader, received: bytes) -> list[bytes]:
    try:
        return reader.feed(received)
    except EventTooLarge as error:
        raise ModelError.unreadable() from error


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancels what still runs and waits until it has stopped; how it ended matters to nobody."""
    if task.done():
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def _next(incoming: AsyncIterator[bytes]) -> bytes:
    return await anext(incoming, b"")


async def _drain(incoming: AsyncIterator[bytes]) -> None:
    """Reads the end of the body, so that the connection can be used again."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in incoming:
                pass


async def _beginning(response: httpx.Response) -> str:
    """The body's first `MAX_ERROR_BYTES` or a little more."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_ERROR_BYTES:
            break
    return body.decode("utf-8", "replace")
