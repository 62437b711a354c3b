"""A camera user over the public API: a session, a socket, a stream."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Message = dict[str, Any]
BEAT_SECONDS = 4.0
PROBES, PROBE_SECONDS = 5, 0.2
"""Pings right after one another at the start, as the page does."""


class CameraUser:
    """One session; leave the context to end its stream and socket, and the session itself.

    `on_message` is called with each message of the server and when (epoch, s) it came.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str,
        password: str,
        on_message: Callable[[Message, float], None],
    ) -> None:
        self._url = url
        self._credentials = {"username": username, "password": password} if username else {}
        self._on_message = on_message
        self._token: Message = {}
        self._socket: ClientConnection | None = None
        self._peer: RTCPeerConnection | None = None
        self._answer: asyncio.Future[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._pong: tuple[float | None, float] = (None, 0.0)
        self.streaming = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Open the session and its socket."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:
            reply = await http.post("/api/token", json=self._credentials)
        if reply.status_code != 201:
            raise RuntimeError(f"No session: {reply.status_code} {reply.text[:200]}")
        self._token = reply.json()
        protocols = ["qwencam.v1", f"bearer.{self._token['access']}"]
        self._socket = await connect(
            f"ws{self._url.removeprefix('http')}/ws/{self._token['session_id']}",
            subprotocols=[Subprotocol(name) for name in protocols],
            max_size=None,
        )
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._beat())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._peer is not None:
            await self._peer.close()
        if self._socket is not None:
            await self._socket.close()
        headers = {"Authorization": f"Bearer {self._token['access']}"}
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:
            await http.delete("/api/session", headers=headers)

    async def send(self, **message: object) -> None:
        """Send one message."""
        if self._socket is not None:
            await self._socket.send(json.dumps(message))

    async def stream(
        self, track: MediaStreamTrack, *, codec: str = "VP8", patience: float = 30
    ) -> None:
        """Offer the track; return once the server has its pictures."""
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._peer.addTransceiver(track, direction="sendonly")
        transceiver.setCodecPreferences(_codecs(codec))
        await self._peer.setLocalDescription(await self._peer.createOffer())
        self._answer = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(patience):
            await self.send(type="offer", sdp=self._peer.localDescription.sdp)
            answer = RTCSessionDescription(sdp=await self._answer, type="answer")
            await self._peer.setRemoteDescription(answer)
            await self.streaming.wait()

    async def _hear(self) -> None:
        if self._socket is None:
            return
        with suppress(ConnectionClosed):
            async for text in self._socket:
                now, message = time.time(), json.loads(text)
                if message["type"] == "answer" and self._answer is not None:
                    self._answer.set_result(message["sdp"])
                elif message["type"] == "stream" and message["state"] == "connected":
                    self.streaming.set()
                elif message["type"] == "pong":
                    self._pong = (message.get("at"), time.monotonic())
                self._on_message(message, now)

    async def _beat(self) -> None:
        """Be heard of every four seconds, with the round trip, as the page does."""
        count = 0
        with suppress(ConnectionClosed):
            while True:
                at, heard = self._pong
                held = (time.monotonic() - heard) * 1000
                await self.send(type="ping", **({"echo": at, "held": held} if at else {}))
                probing, count = count < PROBES, count + 1
                await asyncio.sleep(PROBE_SECONDS if probing else BEAT_SECONDS)


def _codecs(name: str) -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpSender.getCapabilities("video")
    known = capabilities.codecs if capabilities else []
    wanted = (f"VIDEO/{name}", "VIDEO/RTX")
    return [codec for codec in known if codec.mimeType.upper() in wanted]
