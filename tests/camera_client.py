"""A camera user without a browser: aiortc sends drawn scenes, a WebSocket asks."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

import cv2
import httpx
import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE
from av import VideoFrame
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]
FRAME_RATE = 15
"""Frames a second: fresh enough, and few enough for many cameras on two cores."""


class SceneTrack(VideoStreamTrack):
    """A video track that shows ``picture``, uint8 RGB (height, width, 3), with camera noise.

    While ``paused`` it sends nothing.
    """

    def __init__(self, picture: np.ndarray) -> None:
        super().__init__()
        self.picture = picture
        self.paused = False
        self._noise = np.empty(0)
        self._number = 0
        self._began = 0.0

    async def recv(self) -> VideoFrame:
        """Return the next frame, ``FRAME_RATE`` a second."""
        await self._next_turn()
        while self.paused:
            await self._next_turn()
        if self._noise.shape != self.picture.shape:
            rng = np.random.default_rng(0)
            self._noise = rng.integers(-3, 4, self.picture.shape, dtype=np.int16)
        # Elsewhere each time, as real noise is; to draw it anew takes longer than all the rest.
        noise = np.roll(self._noise, self._number, axis=0)
        pixels = cv2.add(self.picture, noise, dtype=cv2.CV_8U)
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = self._number * VIDEO_CLOCK_RATE // FRAME_RATE, VIDEO_TIME_BASE
        return frame

    async def _next_turn(self) -> None:
        self._began = self._began or time.monotonic()
        self._number += 1
        await asyncio.sleep(self._began + self._number / FRAME_RATE - time.monotonic())


class CameraClient:
    """One camera session over the public contract. Leave the context to close everything."""

    def __init__(self, url: str, token: Message) -> None:
        self.url = url
        self.token = token
        self.messages: list[Message] = []
        self.received_at: list[float] = []
        self._news = asyncio.Condition()
        self.peers: list[RTCPeerConnection] = []
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pinger: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open_socket()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_socket()
        for peer in self.peers:
            await peer.close()

    async def open_socket(self, **options: Any) -> Message:
        """Connect and return the ``ready`` message."""
        ws_url = f"ws{self.url.removeprefix('http')}/ws/{self.token['session_id']}"
        self._socket = await connect(
            ws_url,
            subprotocols=["qwencam.v1", f"bearer.{self.token['access']}"],  # type: ignore[list-item]
            max_size=None,
            **options,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        self._pinger = asyncio.create_task(self._ping(self._socket))
        return await self.wait_for("ready")

    async def close_socket(self) -> None:
        """Close the socket if it is open."""
        if self._socket is not None:
            await self._socket.close()
        for task in (self._reader, self._pinger):
            if task is not None:
                await task

    @property
    def close_code(self) -> int | None:
        """Why the socket was closed, ``None`` while it is open."""
        return self._socket.close_code if self._socket else None

    async def wait_closed(self, *, patience: float = 30) -> int:
        """Wait until the server closes the socket; return its close code."""
        assert self._socket is not None
        async with asyncio.timeout(patience):
            await self._socket.wait_closed()
        assert self._socket.close_code is not None
        return self._socket.close_code

    async def _read(self, socket: ClientConnection) -> None:
        # The close code tells how it ended; a connection cut off is no error of this task.
        with suppress(ConnectionClosed):
            async for text in socket:
                async with self._news:
                    self.messages.append(json.loads(text))
                    self.received_at.append(time.time())
                    self._news.notify_all()

    async def _ping(self, socket: ClientConnection) -> None:
        """Be heard of every four seconds, as the page does."""
        while True:
            try:
                async with asyncio.timeout(4):
                    await socket.wait_closed()
                return
            except TimeoutError:
                with suppress(ConnectionClosed):
                    await socket.send('{"type":"ping"}')

    async def send(self, **message: Any) -> None:
        """Send one message."""
        assert self._socket is not None
        await self._socket.send(json.dumps(message))

    async def send_raw(self, data: str | bytes) -> None:
        """Send what is perhaps no message at all."""
        assert self._socket is not None
        await self._socket.send(data)

    async def wait_for(
        self, *kinds: str, since: int = 0, patience: float = 30, **fields: Any
    ) -> Message:
        """Return the first message of these types, with these fields, from number ``since`` on."""

        def match() -> Message | None:
            for message in self.messages[since:]:
                wanted = message["type"] in kinds
                if wanted and all(message.get(key) == fields[key] for key in fields):
                    return message
            return None

        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(lambda: match() is not None)
        found = match()
        assert found is not None
        return found

    async def wait_for_count(self, count: int, kind: str, *, patience: float = 30) -> None:
        """Wait until so many messages of a type have come."""

        def enough() -> bool:
            return sum(message["type"] == kind for message in self.messages) >= count

        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(enough)

    async def _offer(self, picture: np.ndarray) -> tuple[RTCPeerConnection, SceneTrack]:
        peer = RTCPeerConnection()
        self.peers.append(peer)
        track = SceneTrack(picture)
        peer.addTrack(track)
        await peer.setLocalDescription(await peer.createOffer())
        return peer, track

    async def start_camera(self, picture: np.ndarray) -> SceneTrack:
        """Offer a stream over the WebSocket."""
        peer, track = await self._offer(picture)
        since = len(self.messages)
        await self.send(type="offer", sdp=peer.localDescription.sdp)
        answer = await self.wait_for("answer", since=since)
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
        return track

    async def start_camera_over_http(self, picture: np.ndarray) -> SceneTrack:
        """Offer a stream over ``POST /api/webrtc/offer``."""
        peer, track = await self._offer(picture)
        async with httpx.AsyncClient(timeout=30) as http:
            reply = await http.post(
                f"{self.url}/api/webrtc/offer",
                json={"sdp": peer.localDescription.sdp, "type": "offer"},
                headers={"Authorization": f"Bearer {self.token['access']}"},
            )
        assert reply.status_code == 200, reply.text
        await peer.setRemoteDescription(RTCSessionDescription(**reply.json()))
        return track

    async def drop_camera(self) -> None:
        """Close the peer connections."""
        for peer in self.peers:
            await peer.close()
        self.peers.clear()

    async def send_question(self, content: str, **frame: object) -> str:
        """Ask, with ``keep_frame`` or ``frame`` if given; return the question's id."""
        question_id = uuid4().hex
        await self.send(type="chat", id=question_id, content=content, **frame)
        return question_id

    async def end_of(self, question_id: str, *, patience: float = 60) -> Message:
        """Return the response or the error of a question."""
        return await self.wait_for("response", "error", id=question_id, patience=patience)

    async def ask(self, content: str, *, patience: float = 60) -> Message:
        """Ask and return the response or the error."""
        return await self.end_of(await self.send_question(content), patience=patience)

    def tokens_of(self, question_id: str) -> list[Message]:
        """Return the token messages of a question in the order they came."""
        return [
            message
            for message in self.messages
            if message["type"] == "token" and message["id"] == question_id
        ]
