"""A camera user: a stream of video, a socket to ask over, and the answers as they come."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import Any, Final, Self
from uuid import uuid4

from aiortc import MediaStreamTrack, RTCPeerConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from deploy.client.answer import Answer
from deploy.client.errors import ConnectionLost, Message, Refused
from deploy.client.feed import Feed
from deploy.client.peer import accept, offering_peer
from deploy.client.session import Session

PROTOCOL: Final = "qwencam.v1"
TIMEOUT_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 4.0
"""A socket that says nothing for 12 s is closed: this leaves room for two lost pings."""

PROBES: Final = (0.0, 0.2, 0.2, 0.2, 0.2, 0.2)
"""Pauses in seconds before the first pings: a few at once measure the round trip, as the page's do,
before the first question is asked."""


class Camera:
    """One camera session's stream and socket; leave the context to close both.

    Args:
        session: whose tokens are used; it goes on when the context is left.
        on_message: is called with every message of the server and when (epoch, s) it came.
        probes: pauses in seconds before the first heartbeats.

    Attributes:
        socket, peer: the connections, for what this class has no method for; `None` before.
    """

    def __init__(
        self,
        session: Session,
        *,
        on_message: Callable[[Message, float], None] = lambda message, at: None,
        probes: Sequence[float] = PROBES,
    ) -> None:
        self.session = session
        self.peer: RTCPeerConnection | None = None
        self._track: MediaStreamTrack | None = None
        self._on_message = on_message
        self._probes = probes
        self.socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._heartbeat: asyncio.Task[None] | None = None
        self._answers: dict[str, Answer] = {}
        self._live: Feed[Message] | None = None
        self._awaited: dict[str, asyncio.Future[Message]] = {}
        self._pong: tuple[float | None, float] = (None, 0.0)

    async def __aenter__(self) -> Self:
        """Open the socket."""
        await self.open_socket()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the stream and the socket."""
        await self.close_stream()
        await self.close_socket()

    async def open_socket(self, **options: Any) -> Message:
        """Connect; return the `ready` message.

        Args:
            options: of `websockets.connect`, such as `ssl` for a certificate of your own.

        Raises:
            Refused: by an `error` message that says why.
            ConnectionLost: the socket was closed at once.
            OSError, websockets.InvalidHandshake: there is no socket to be had.
        """
        await self.close_socket()
        token = f"bearer.{await self.session.fresh_access()}"
        self.socket = await connect(
            self.session.socket_url,
            subprotocols=[Subprotocol(PROTOCOL), Subprotocol(token)],
            max_size=None,
            **options,
        )
        ready = self._expect("ready")
        self._reader = asyncio.create_task(self._read(self.socket))
        self._heartbeat = asyncio.create_task(self._ping(self.socket))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await ready
        except BaseException:
            await self.close_socket()
            raise

    async def close_socket(self) -> None:
        """Close the socket if it is open. The stream goes on for a few seconds."""
        if self.socket is None or self._reader is None or self._heartbeat is None:
            return
        self._heartbeat.cancel()
        await self.socket.close()
        await asyncio.gather(self._reader, self._heartbeat, return_exceptions=True)

    async def reconnect(self, **options: Any) -> None:
        """Open another socket, and go on with the answers that were under way.

        The stream goes on by itself if it has not been closed meanwhile; otherwise call `stream`
        again. A question that never arrived ends with `unknown_question`: ask it again.
        """
        await self.open_socket(**options)
        for answer in list(self._answers.values()):
            answer.resume()
            await self.send(type="resume", id=answer.id, after=answer.last)

    @property
    def close_code(self) -> int | None:
        """Why the socket was closed, `None` while it is open."""
        return self.socket.close_code if self.socket else None

    async def wait_closed(self) -> int | None:
        """Wait until the socket is closed; return its close code."""
        if self.socket is not None:
            await self.socket.wait_closed()
        return self.close_code

    async def send(self, **message: object) -> None:
        """Send one message of the protocol."""
        await self.send_raw(json.dumps(message))

    async def send_raw(self, data: str | bytes) -> None:
        """Send what is perhaps no message at all. Raises `ConnectionLost`."""
        if self.socket is None:
            raise ConnectionLost(None)
        try:
            await self.socket.send(data)
        except ConnectionClosed:
            raise ConnectionLost(self.socket.close_code) from None

    async def stream(self, track: MediaStreamTrack, *, codec: str = "VP8") -> None:
        """Send a video track, in place of the one before; return once the server has its pictures.

        Raises:
            Refused, ConnectionLost, TimeoutError: it has not come to that.
        """
        connected = self._expect("stream")
        try:
            await self.offer(track, codec=codec)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await connected
        finally:
            connected.cancel()

    async def offer(self, track: MediaStreamTrack, *, codec: str = "VP8") -> None:
        """Offer a video track over the socket and take the answer; pictures come a little later."""

        async def exchange(sdp: str) -> str:
            answer = self._expect("answer")
            await self.send(type="offer", sdp=sdp)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return str((await answer)["sdp"])

        await self._connect(track, codec=codec, exchange=exchange)

    async def offer_over_http(self, track: MediaStreamTrack, *, codec: str = "VP8") -> None:
        """Offer a video track over `POST /api/webrtc/offer`, which needs no socket."""

        async def exchange(sdp: str) -> str:
            offer = {"sdp": sdp, "type": "offer"}
            return str((await self.session.call("POST", "/api/webrtc/offer", json=offer))["sdp"])

        await self._connect(track, codec=codec, exchange=exchange)

    async def close_stream(self) -> None:
        """Send no more video, and stop the track: it may hold a camera, or a thread that reads."""
        if self.peer is not None:
            await self.peer.close()
            self.peer = None
        if self._track is not None:
            self._track.stop()
            self._track = None

    async def ask(self, content: str, **frame: object) -> Answer:
        """Ask about what the camera sees now; return the answer, to be iterated over.

        Args:
            frame: `keep_frame=True` to keep the frame for further questions, `frame=ID` to ask
                about the one that the question ID has kept.
        """
        answer = Answer(uuid4().hex)
        self._answers[answer.id] = answer
        try:
            await self.send(type="chat", id=answer.id, content=content, **frame)
        except ConnectionLost:
            del self._answers[answer.id]
            raise
        return answer

    async def cancel(self, answer: Answer) -> None:
        """Stop an answer; it ends with `cancelled`."""
        await self.send(type="cancel", id=answer.id)

    async def live(self, prompt: str, *, rate: float | None = None) -> AsyncIterator[Message]:
        """Ask again and again, `rate` times a second; yield each `live` or `error` message.

        Who takes them slowly gets the newest. Live mode ends when the iteration does.
        """
        answers: Feed[Message] = Feed(bound=1)
        self._live = answers
        await self.send(type="live", prompt=prompt, **({"rate": rate} if rate else {}))
        try:
            async for message in answers:
                yield message
        finally:
            if self._live is answers:
                self._live = None
                with suppress(ConnectionLost):
                    await self.send(type="live_stop")

    async def _connect(
        self, track: MediaStreamTrack, *, codec: str, exchange: Callable[[str], Awaitable[str]]
    ) -> None:
        peer = await offering_peer(track, codec=codec, ice_servers=self.session.ice_servers)
        try:
            await accept(peer, await exchange(peer.localDescription.sdp))
        except BaseException:
            await peer.close()
            raise
        if track is self._track:  # The same pictures over another connection: they go on.
            self._track = None
        await self.close_stream()
        self.peer, self._track = peer, track

    def _expect(self, kind: str) -> asyncio.Future[Message]:
        """Return what becomes the next message of a type: begin before you send."""
        self._awaited[kind] = asyncio.get_running_loop().create_future()
        return self._awaited[kind]

    async def _read(self, socket: ClientConnection) -> None:
        try:
            # The close code tells how it ended; a connection cut off is no error of this task.
            with suppress(ConnectionClosed):
                async for text in socket:
                    at, message = time.time(), json.loads(text)
                    await self._take(message)
                    self._on_message(message, at)
        finally:
            self._lose(ConnectionLost(socket.close_code))

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        answer = self._answers.get(message.get("id", ""))
        if answer is not None:
            if answer.take(message):
                await self.send(type="resume", id=answer.id, after=answer.last)
            elif answer.ended:
                del self._answers[answer.id]
        elif kind == "pong":
            self._pong = (message.get("at"), time.monotonic())
        elif (
            kind == "error"
            and "id" not in message
            and self._fail_awaited(Refused.from_message(message))
        ):
            return
        elif kind in ("live", "error") and self._live is not None:
            self._live.put(message)
        elif kind in self._awaited and message.get("state", "connected") == "connected":
            awaited = self._awaited.pop(kind)
            if not awaited.done():  # Who waited for it may have given up.
                awaited.set_result(message)

    def _lose(self, lost: ConnectionLost) -> None:
        self._fail_awaited(lost)
        for answer in self._answers.values():
            answer.lose(lost)
        if self._live is not None:
            self._live.stop(lost)

    def _fail_awaited(self, error: Exception) -> bool:
        """Raise an error to whoever waits for a message; return whether anybody does."""
        waiting = [awaited for awaited in self._awaited.values() if not awaited.done()]
        for awaited in waiting:
            awaited.set_exception(error)
            awaited.exception()  # asyncio would complain of one that nobody comes to look at.
        self._awaited.clear()
        return bool(waiting)

    async def _ping(self, socket: ClientConnection) -> None:
        """Be heard of, and send back what the server needs to know the round trip."""
        with suppress(ConnectionClosed):
            for pause in chain(self._probes, repeat(HEARTBEAT_SECONDS)):
                await asyncio.sleep(pause)
                at, heard = self._pong
                held = (time.monotonic() - heard) * 1000
                echo = {"echo": at, "held": held} if at else {}
                await socket.send(json.dumps({"type": "ping", **echo}))
