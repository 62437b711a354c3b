"""A chat completion: one request to one model server, and the answer that it streams."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx

from apps.contract import ErrorCode, Refusal
from apps.inference.connection import LivenessTimeout, ServerDead

DRAIN_SECONDS = 0.1
MAX_ERROR_BYTES = 65_536
MAX_EVENT_BYTES = 1 << 20
"""A token's event has some hundred bytes: a server that sends more without end fills no memory."""
_DONE = b"[DONE]"
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What httpx raises when the other side closes a connection."""


@dataclass(frozen=True)
class Delta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Usage:
    """What the answer took, in tokens (0 where the server does not say), and why it ended."""

    prompt_tokens: int
    completion_tokens: int
    finish_reason: str


class ServerUnavailable(Refusal):
    """This server gives no answer now; another one may.

    `dead`: nothing answers at its address, or it went away.
    """

    def __init__(self, detail: str, *, dead: bool = False) -> None:
        super().__init__(ErrorCode.MODEL_UNAVAILABLE, detail)
        self.dead = dead

    @classmethod
    def went_away(cls, *, dead: bool = False) -> Self:
        """Its answer broke off."""
        return cls("The model server went away while answering.", dead=dead)


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A chat completion asked of the server at `base_url`.

    Attributes:
        body: the request, JSON.
        model: its model, for error messages.
        stall_seconds: after that much silence the server is asked whether it is alive.
        suspected: whether it is worth asking that sooner.
        deadline: when (monotonic) the answer must be whole.
    """

    client: httpx.AsyncClient
    base_url: str
    headers: dict[str, str]
    body: bytes
    model: str
    stall_seconds: float
    suspected: Callable[[], bool]
    deadline: float

    async def stream(self) -> AsyncGenerator[Delta | Usage, None]:
        """Yields `Delta`s as they come and one `Usage` at the end.

        The connection is closed however this ends: before the end of the answer that makes the
        server stop generating.

        Raises:
            Refusal: model_unavailable (`ServerUnavailable`), model_error or model_timeout, with
                nothing in it of what the user or the server said.
        """
        try:
            async with self._timeout() as timeout, aclosing(await self._begin(timeout)) as response:
                if response.status_code != 200:
                    body = await _error_text(response, timeout)
                    raise refusal(response.status_code, body, model=self.model)
                incoming = response.aiter_bytes()
                reader, last, done = EventReader(), Chunk(), False
                while not done and (received := await timeout.wait(anext(incoming, b""))):
                    for event in reader.feed(received):
                        if done := event == _DONE:
                            break
                        chunk = Chunk.parse(event)
                        last = last.followed_by(chunk)
                        if chunk.text:
                            yield Delta(chunk.text)
                if not (done or last.finish_reason):  # Some servers send no end mark.
                    raise ServerUnavailable.went_away()
                yield Usage(last.prompt_tokens, last.completion_tokens, last.finish_reason)
                await _drain(incoming)
        except ServerDead as error:
            raise ServerUnavailable(str(error), dead=True) from error
        except TimeoutError as error:
            detail = "The model took too long to answer."
            raise Refusal(ErrorCode.MODEL_TIMEOUT, detail) from error
        except httpx.HTTPError as error:
            raise ServerUnavailable.went_away(dead=True) from error

    def _timeout(self) -> LivenessTimeout:
        return LivenessTimeout(
            self.base_url,
            client=self.client,
            stall_seconds=self.stall_seconds,
            suspected=self.suspected,
            deadline=self.deadline,
        )

    async def _begin(self, timeout: LivenessTimeout) -> httpx.Response:
        """Sends the request and returns the response's head."""
        try:
            try:
                return await timeout.wait(self._send())
            except _CLOSED:
                # A kept connection may be closed by the server at the very moment it is used
                # again: that is no outage, so one that closes unanswered gets a second try.
                return await timeout.wait(self._send())
        except _CLOSED as error:
            detail = "The model server closed the connection."
            raise ServerUnavailable(detail, dead=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            detail = "The model server can't be reached."
            raise ServerUnavailable(detail, dead=True) from error

    async def _send(self) -> httpx.Response:
        request = self.client.build_request(
            "POST", f"{self.base_url}/chat/completions", content=self.body, headers=self.headers
        )
        return await self.client.send(request, stream=True)


async def _drain(incoming: AsyncIterator[bytes]) -> None:
    """Reads the end of the body, so that the connection can be used again."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in incoming:
                pass


async def _error_text(response: httpx.Response, timeout: LivenessTimeout) -> str:
    """The body's first `MAX_ERROR_BYTES` or a little more, as far as they come."""
    body = b""
    incoming = response.aiter_bytes()
    with suppress(httpx.HTTPError):
        while len(body) <= MAX_ERROR_BYTES and (
            received := await timeout.wait(anext(incoming, b""))
        ):
            body += received
    return body.decode("utf-8", "replace")


class EventReader:
    """Server-sent events (WHATWG HTML, 9.2): bytes in, the data of whole events out.

    Fields other than `data` are ignored: a chat completion uses no others.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """The data of each event that ends within `received`.

        Raises a `Refusal` for an event beyond `MAX_EVENT_BYTES`.
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        events = [event for line in lines if (event := self._take(line)) is not None]
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise _unreadable()
        return events

    def _take(self, line: bytes) -> bytes | None:
        """Takes one line; an empty one ends the event."""
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return None
        if line or not self._data:
            return None
        event = b"\n".join(self._data)
        self._data = []
        return event


@dataclass(frozen=True)
class Chunk:
    """One event of the stream; a text of "" and zeros where it says nothing about them."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def parse(cls, event: bytes) -> Self:
        """Raises a `Refusal` for an error event and for anything that is no chunk."""
        try:
            data = json.loads(event)
            if data.get("error"):
                raise _stream_error(data["error"])
            usage = data.get("usage") or {}
            choice: dict[str, Any] = next(iter(data.get("choices") or ()), {})
            return cls(
                text=str((choice.get("delta") or {}).get("content") or ""),
                finish_reason=str(choice.get("finish_reason") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _unreadable() from error

    def followed_by(self, chunk: "Chunk") -> "Chunk":
        """Both in one, without text: what the later one says counts, where it says something."""
        return Chunk(
            finish_reason=chunk.finish_reason or self.finish_reason,
            prompt_tokens=chunk.prompt_tokens or self.prompt_tokens,
            completion_tokens=chunk.completion_tokens or self.completion_tokens,
        )


def refusal(status: int, body: str, *, model: str) -> Refusal:
    """What an HTTP status other than 200 means."""
    if status in {401, 403}:
        return Refusal(ErrorCode.MODEL_ERROR, "The model server refused the API key.")
    if status == 404:
        return Refusal(ErrorCode.MODEL_ERROR, f"The model server has no model named {model!r}.")
    if status == 429 or status >= 500:
        return ServerUnavailable("The model server can't take the question now.")
    if _is_about_context(body):
        return _beyond_context()
    return Refusal(ErrorCode.MODEL_ERROR, "The model server refused the question.")


def _stream_error(error: Any) -> Refusal:
    if _is_about_context(str(error)):
        return _beyond_context()
    return Refusal(ErrorCode.MODEL_ERROR, "The model server failed while answering.")


def _unreadable() -> Refusal:
    return Refusal(ErrorCode.MODEL_ERROR, "The model server sent something that is no answer.")


def _beyond_context() -> Refusal:
    detail = "The question, its history and the picture are too long for the model's context."
    return Refusal(ErrorCode.MODEL_ERROR, detail)


def _is_about_context(message: str) -> bool:
    """vLLM: "maximum context length", "maximum model length"; others: context_length_exceeded."""
    message = message.lower()
    return any(
        words in message for words in ("context length", "context_length", "maximum model length")
    )
