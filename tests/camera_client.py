"""The client of `deploy/client` in a test's hands: it sends drawn scenes, keeps what it hears."""

import asyncio
import time
from typing import Any, Self
from uuid import uuid4

import cv2
import numpy as np
from aiortc import VideoStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE
from av import VideoFrame

from deploy.client import Camera, Message, Session

FRAME_RATE = 10
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
    """One camera session over the public contract. Leave the context to close everything.

    Attributes:
        camera: the client that does the work.
        messages: all that the server has said, over all of this client's sockets.
        received_at: when (epoch, s) each came.
    """

    def __init__(self, url: str, token: Message) -> None:
        self.url = url
        self.token = token
        self.messages: list[Message] = []
        self.received_at: list[float] = []
        # A session may be opened at one address and used at another, behind which it is as well.
        here = f"ws{url.removeprefix('http')}/ws/{token['session_id']}"
        session = Session(url, {**token, "ws_url": here, "ice_servers": []})
        # Without probes: a test that sends a ping waits for its own pong.
        self.camera = Camera(session, on_message=self._keep, probes=())
        self._heard = asyncio.Event()

    def _keep(self, message: Message, at: float) -> None:
        self.messages.append(message)
        self.received_at.append(at)
        self._heard.set()
        self._heard = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self.camera.socket is None or self.close_code is not None:
            await self.open_socket()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_socket()
        await self.drop_camera()

    async def open_socket(self, **options: Any) -> Message:
        """Connect and return the ``ready`` message."""
        return await self.camera.open_socket(**options)

    async def close_socket(self) -> None:
        """Close the socket if it is open."""
        await self.camera.close_socket()

    @property
    def close_code(self) -> int | None:
        """Why the socket was closed, ``None`` while it is open."""
        return self.camera.close_code

    async def wait_closed(self, *, patience: float = 30) -> int:
        """Wait until the server closes the socket; return its close code."""
        async with asyncio.timeout(patience):
            code = await self.camera.wait_closed()
        assert code is not None
        return code

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.camera.send(**message)

    async def send_raw(self, data: str | bytes) -> None:
        """Send what is perhaps no message at all."""
        await self.camera.send_raw(data)

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

        async with asyncio.timeout(patience):
            while (found := match()) is None:
                await self._heard.wait()
        return found

    async def wait_for_count(self, count: int, kind: str, *, patience: float = 30) -> None:
        """Wait until so many messages of a type have come."""
        async with asyncio.timeout(patience):
            while sum(message["type"] == kind for message in self.messages) < count:
                await self._heard.wait()

    async def start_camera(self, picture: np.ndarray) -> SceneTrack:
        """Offer a stream over the WebSocket."""
        track = SceneTrack(picture)
        await self.camera.offer(track)
        return track

    async def start_camera_over_http(self, picture: np.ndarray) -> SceneTrack:
        """Offer a stream over ``POST /api/webrtc/offer``."""
        track = SceneTrack(picture)
        await self.camera.offer_over_http(track)
        return track

    async def drop_camera(self) -> None:
        """Close the peer connection."""
        await self.camera.close_stream()

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
