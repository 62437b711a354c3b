"""A camera for tests: an aiortc client with a synthetic picture, over real UDP."""

import asyncio
import random
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from av import VideoFrame

from apps.streaming.host import MediaHost

CLOCK = 90_000


class PictureTrack(MediaStreamTrack):
    """A picture with a moving bar; a reserved colour tells frames apart."""

    kind = "video"

    def __init__(self, *, width: int = 320, height: int = 240, fps: float = 30.0) -> None:
        super().__init__()
        self.paused = False
        self._interval = 1 / fps
        self._started: float | None = None
        self._number = 0
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        self._canvas = np.full((height, width, 3), (40, 90, 160), dtype=np.uint8)

    async def recv(self) -> VideoFrame:
        if self._started is None:
            self._started = time.monotonic()
        self._number += 1
        await asyncio.sleep(
            max(0.0, self._started + self._number * self._interval - time.monotonic())
        )
        while self.paused:
            await asyncio.sleep(0.02)
        canvas = self._canvas.copy()
        column = self._number * 4 % canvas.shape[1]
        canvas[:, column : column + 8] = (250, 250, 20)
        frame = VideoFrame.from_ndarray(canvas, format="rgb24").reformat(format="yuv420p")
        frame.pts = int(self._number * self._interval * CLOCK)
        frame.time_base = Fraction(1, CLOCK)
        return frame


class Camera:
    """One client connection; use as an async context manager."""

    def __init__(self, track: MediaStreamTrack | None = None, *, codec: str = "VP8") -> None:
        self.track = track or PictureTrack()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.answer = ""
        transceiver = self.connection.addTransceiver(self.track, direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences(
            [c for c in codecs if c.mimeType.upper() in (f"VIDEO/{codec}", "VIDEO/RTX")]
        )

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def connect(self, host: MediaHost, session_id: str) -> None:
        await self.take_answer(await host.accept(session_id, await self.offer()))

    async def take_answer(self, sdp: str) -> None:
        self.answer = sdp
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    def lose(self, share: float) -> None:
        """Lose that share of all packets from now on, retransmissions too."""
        dice = random.Random(11)
        for sender in self.connection.getSenders():
            ice = sender.transport.transport
            send = ice._send

            async def lossy(data: bytes, send: Any = send) -> None:
                if dice.random() >= share:
                    await send(data)

            ice._send = lossy

    def delay(self, seconds: float) -> None:
        """Let every packet take that much longer from now on."""
        for sender in self.connection.getSenders():
            ice = sender.transport.transport
            send = ice._send

            async def late(data: bytes, send: Any = send) -> None:
                asyncio.get_running_loop().call_later(
                    seconds, lambda: asyncio.ensure_future(send(data))
                )

            ice._send = late

    async def vanish(self) -> None:
        """Stop sending without a word, as a phone without coverage does."""
        for sender in self.connection.getSenders():
            ice = sender.transport.transport._connection
            for protocol in ice._protocols:
                protocol.transport.abort()
            if ice._query_consent_task:
                ice._query_consent_task.cancel()

    async def __aenter__(self) -> "Camera":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.track.stop()
        await self.connection.close()


async def until(condition: Callable[[], object], *, timeout: float = 30.0) -> None:
    """Wait until `condition()` is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        await asyncio.sleep(0.01)


async def stand_in_offer() -> str:
    """A real offer of a camera that is closed again at once."""
    async with Camera() as camera:
        return await camera.offer()
