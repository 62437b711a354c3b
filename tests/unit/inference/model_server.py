"""A model server at the wire: a real socket, HTTP/1.1, and a script for what it answers."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class Received:
    """A request as it came: `head_at` and `whole_at` are monotonic seconds."""

    path: str
    headers: dict[str, str]
    body: bytes
    head_at: float
    whole_at: float
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """What a script answers with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def plain(self, status: int, body: Any = "") -> None:
        """A whole answer that is no stream."""
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await self._writer.drain()

    async def head(self) -> None:
        self._writer.write(STREAM_HEAD)
        await self._writer.drain()

    async def raw(self, content: bytes) -> None:
        self._writer.write(b"%x\r\n%s\r\n" % (len(content), content))
        await self._writer.drain()

    async def event(self, data: Any) -> None:
        await self.raw(b"data: " + json.dumps(data).encode() + b"\n\n")

    async def token(self, text: str, *, finish: str | None = None) -> None:
        await self.event({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})

    async def usage(self, prompt: int, completion: int) -> None:
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        await self.event({"choices": [], "usage": usage})

    async def done(self) -> None:
        await self.raw(b"data: [DONE]\n\n")
        await self.end()

    async def end(self) -> None:
        """The stream's end, without the end mark."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def hang_up(self) -> None:
        self._writer.close()

    async def until_hung_up(self) -> None:
        """Waits until the client closes the connection."""
        await self._reader.read()


Script = Callable[[Reply], Awaitable[None]]


async def say_hello(reply: Reply) -> None:
    await reply.head()
    await reply.token("Hel")
    await reply.token("lo")
    await reply.token("", finish="stop")
    await reply.usage(12, 2)
    await reply.done()


async def healthy(reply: Reply) -> None:
    await reply.plain(200)


class ModelServer:
    """Serves `chat` and `health`; both may be exchanged at any time."""

    def __init__(self, chat: Script = say_hello, *, health: Script = healthy) -> None:
        self.chat = chat
        self.health = health
        self.requests: list[Received] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Received]:
        return [request for request in self.requests if request.path.endswith("/completions")]

    @property
    def health_checks(self) -> int:
        return [request.path for request in self.requests].count("/health")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        # However the connection ends, `hung_up` tells the test.
        ends = (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError)
        try:
            with suppress(*ends):
                while not writer.is_closing():
                    request = await receive(reader, connection=number)
                    self.requests.append(request)
                    script = self.chat if request.path.endswith("/completions") else self.health
                    await script(Reply(reader, writer))
        finally:
            self.hung_up.set()
            self._tasks.discard(task)
            writer.close()


async def receive(reader: asyncio.StreamReader, *, connection: int) -> Received:
    head = await reader.readuntil(b"\r\n\r\n")
    head_at = time.monotonic()
    first, *lines = head.decode().strip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(first.split()[1], headers, body, head_at, time.monotonic(), connection)
