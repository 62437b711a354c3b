"""One camera: its peer connection, and its newest frame."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.codecs import get_capabilities
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from av import VideoFrame

from apps.contract import ErrorCode, Refusal
from apps.frames.scene import Thumbnail
from apps.frames.types import RawFrame
from apps.streaming import metrics
from apps.streaming.config import MediaConfig
from apps.streaming.ice_candidates import bind_within, with_public_address
from apps.streaming.ledger import StreamLedger
from apps.streaming.receiving import DecoderInbox, customize_receiver
from apps.streaming.sender_clock import SenderClock
from apps.streaming.types import PeerState

logger = logging.getLogger(__name__)

_FPS_WEIGHT: Final = 0.1
"""Weight of the newest interval between frames in the smoothed frame rate."""

STALL_TIMEOUT_SECONDS: Final = 3.0
"""A stream that has delivered before gets this long for its next frame: a keyframe asked for, sent
and lost once. Far less than the silence that ends a peer, so that the error is `stream_stalled`
rather than `no_stream`."""

_CLOSE_SECONDS: Final = 5.0
"""After that its sockets are closed without aiortc, whose own close may hang."""


@dataclass(frozen=True)
class PeerStats:
    """What a stream did so far. Sizes in pixels; `last_frame_at` is seconds since epoch."""

    state: PeerState
    width: int
    height: int
    fps: float
    frames_in: int
    frames_dropped: int
    frames_refused: int
    last_frame_at: float | None


class PeerSession:
    """Owns one peer connection, its decoder thread and its tasks, from offer to `aclose`.

    One task always awaits the next decoded frame and keeps only the newest. `on_change` is
    called on the event loop when the state, the picture size or the error changes; `lost` is then
    the reason to close the peer, if there is one. The owner closes it, never the peer itself.
    `scene` is the thumbnail that live mode was last answered on, set by `capture.snapshot`.
    """

    def __init__(self, config: MediaConfig, *, on_change: Callable[[PeerSession], None]) -> None:
        """Prepare a peer; nothing is bound or started before `answer`. Needs a running loop."""
        self.state: PeerState = "connecting"
        self.lost: str | None = None
        self.scene: Thumbnail | None = None
        self._config = config
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=list(config.ice_servers)))
        self._receiver: RTCRtpReceiver | None = None
        self._ledger = StreamLedger(on_refused=self._refused)
        self._clock = SenderClock()
        self._inbox: DecoderInbox | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._newest: RawFrame | None = None
        self._newest_at = 0.0
        self._newest_captured = 0.0
        self._next: asyncio.Future[RawFrame | None] | None = None
        self._interval = 0.0
        self._frames_in = 0
        self._heard: object = None
        self._heard_at = time.monotonic()

    async def answer(self, offer: str) -> str:
        """Return the answer to a vetted `offer`, ICE gathering complete.

        Raises a `Refusal`; the peer is closed then.
        """
        try:
            async with asyncio.timeout(self._config.answer_seconds):
                return await self._negotiate(offer)
        except OperationError as error:
            await self.aclose()
            raise Refusal(
                ErrorCode.CODEC_UNSUPPORTED,
                "The camera offers no VP8 or H.264 profile that we decode.",
            ) from error
        except (OSError, TimeoutError) as error:
            logger.exception("Could not prepare a peer connection.")
            await self.aclose()
            raise Refusal(
                ErrorCode.STREAM_FAILED, "The server could not open the stream."
            ) from error
        except asyncio.CancelledError:
            await self.aclose()
            raise
        except Exception as error:
            # aiortc meets hostile text here and answers with whatever exception it trips over.
            logger.info("An offer was refused: %r", error)
            await self.aclose()
            raise Refusal(ErrorCode.OFFER_INVALID, "The offer cannot be answered.") from error

    async def _negotiate(self, offer: str) -> str:
        transceiver = self._prepare_transceiver()
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        self._inbox = customize_receiver(
            transceiver, limits=self._config.limits, ledger=self._ledger, clock=self._clock
        )
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._receiver = transceiver.receiver
        self._reader = asyncio.create_task(self._read(transceiver.receiver.track))
        self._heard_at = time.monotonic()
        return with_public_address(
            self._connection.localDescription.sdp, self._config.public_address
        )

    def _prepare_transceiver(self) -> RTCRtpTransceiver:
        # Before the offer is applied: a transceiver that aiortc makes itself takes any codec.
        transceiver = self._connection.addTransceiver("video", direction="recvonly")
        transceiver.setCodecPreferences(_accepted_codecs())
        if self._config.port_range is not None:
            bind_within(transceiver, self._config.port_range)
        self._connection.on("connectionstatechange", self._connection_changed)
        return transceiver

    @property
    def stats(self) -> PeerStats:
        """Counters and the picture as of now."""
        newest = self._newest
        return PeerStats(
            state=self.state,
            width=newest.width if newest else 0,
            height=newest.height if newest else 0,
            fps=1 / self._interval if self._interval and self.state == "connected" else 0.0,
            frames_in=self._frames_in,
            frames_dropped=self._ledger.dropped,
            frames_refused=self._ledger.refused,
            last_frame_at=newest.captured_at if newest else None,
        )

    @property
    def error(self) -> ErrorCode | None:
        """Code of what is wrong with the stream right now, if anything is."""
        if self._ledger.refusing:
            return ErrorCode.FRAME_TOO_LARGE
        return ErrorCode.STREAM_STALLED if self.state == "stalled" else None

    def note_round_trip(self, seconds: float) -> None:
        """Take a round trip measured between here and the camera's page."""
        self._clock.round_trip(seconds, at=time.time())

    async def capture(self, *, max_age: float, timeout: float) -> RawFrame:
        """Return the newest frame if captured at most `max_age` seconds ago, or else the next one.

        Waits for it for up to `timeout` seconds (`STALL_TIMEOUT_SECONDS` at most once the camera
        has sent frames).

        Raises:
            Refusal: no_stream when the peer is closed or closes meanwhile, frame_too_large,
                no_frame when the camera has sent none yet, stream_stalled when it has stopped.
        """
        asked_at = time.monotonic()
        frame = self._newest
        if frame is None or self._ledger.refusing or asked_at - self._newest_captured > max_age:
            frame = await self._wait_for_next(timeout)
        metrics.CAPTURE_WAIT.observe(time.monotonic() - asked_at)
        metrics.FRAME_AGE.observe(max(0.0, time.time() - frame.captured_at))
        return frame

    async def _wait_for_next(self, timeout: float) -> RawFrame:
        if self.state == "closed" or self.lost:
            raise Refusal(ErrorCode.NO_STREAM, "The camera is not connected.")
        if self._next is None:
            self._next = self._loop.create_future()
        if self._newest is not None and not self._ledger.refusing:
            timeout = min(timeout, STALL_TIMEOUT_SECONDS)
        try:
            # Shielded: others wait for the same frame, and one that gives up must not cancel it.
            frame = await asyncio.wait_for(asyncio.shield(self._next), timeout)
        except TimeoutError:
            raise self._explain_silence() from None
        if frame is None:
            raise Refusal(ErrorCode.NO_STREAM, "The camera disconnected.")
        return frame

    def _explain_silence(self) -> Refusal:
        if self._ledger.refusing:
            return Refusal(
                ErrorCode.FRAME_TOO_LARGE,
                "The camera's picture is larger than "
                f"{self._config.limits.max_width}x{self._config.limits.max_height} pixels.",
            )
        if self._newest is None:
            return Refusal(ErrorCode.NO_FRAME, "The camera has not sent a picture yet.")
        return Refusal(ErrorCode.STREAM_STALLED, "The camera has stopped sending pictures.")

    async def _read(self, track: MediaStreamTrack) -> None:
        """Take every decoded frame as it comes, so that none waits in the track's queue."""
        try:
            while True:
                image = await track.recv()
                if isinstance(image, VideoFrame):
                    self._take(image)
        except MediaStreamError:
            self._lose("The camera stopped.")
        except Exception:
            logger.exception("A stream ended while reading its frames.")
            self._lose("The stream failed.")

    def _take(self, image: VideoFrame) -> None:
        now = time.monotonic()
        frame = RawFrame(
            image=image, captured_at=self._ledger.claim_capture(image.pts) or time.time()
        )
        self._smooth(now - self._newest_at)
        resized = self._newest is None or (frame.width, frame.height) != (
            self._newest.width,
            self._newest.height,
        )
        self._newest, self._newest_at = frame, now
        self._newest_captured = now - max(0.0, time.time() - frame.captured_at)
        self._frames_in += 1
        metrics.FRAMES_RECEIVED.inc()
        if self._next is not None:
            self._next.set_result(frame)
            self._next = None
        if self.state in ("connecting", "stalled"):
            self._become("connected")
        elif resized:
            self._on_change(self)

    def _smooth(self, interval: float) -> None:
        """Take an interval into the moving average, which begins anew after a stall."""
        if self._newest is None or self.state == "stalled":
            self._interval = 0.0
        elif not self._interval:
            self._interval = interval
        else:
            self._interval += _FPS_WEIGHT * (interval - self._interval)

    def check(self) -> None:
        """Notice silence; the owner calls this about once a second."""
        if self.state == "closed" or self.lost:
            return
        now = time.monotonic()
        if self._connection.connectionState != "connected":
            if now - self._heard_at > self._config.connect_seconds:
                self._lose("The camera never connected.")
            return
        self._listen(now)
        if now - self._heard_at > self._config.silence_seconds:
            self._lose("The camera fell silent.")
        elif self.state == "connected" and now - self._newest_at > self._config.stall_seconds:
            self._become("stalled")

    def _listen(self, now: float) -> None:
        """Note whether any RTP packet has come since the last check, usable or not."""
        sources = self._receiver.getSynchronizationSources() if self._receiver else []
        heard = max((source.timestamp for source in sources), default=None)
        if heard is not None and heard != self._heard:
            self._heard, self._heard_at = heard, now

    def _connection_changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self._heard_at = time.monotonic()
        elif state in ("failed", "closed"):
            self._lose("The connection failed." if state == "failed" else "The camera stopped.")

    def _refused(self) -> None:
        """Called by the ledger for a refused frame, in the decoder's thread."""
        self._loop.call_soon_threadsafe(self._on_change, self)

    def _lose(self, reason: str) -> None:
        if self.lost is None and self._closing is None:
            self.lost = reason
            self._release_waiters()
            self._on_change(self)

    def _become(self, state: PeerState) -> None:
        delivering = (self.state == "connected", state == "connected")
        if delivering == (False, True):
            metrics.STREAMS_CONNECTED.inc()
        elif delivering == (True, False):
            metrics.STREAMS_CONNECTED.dec()
        self.state = state
        self._on_change(self)

    def _release_waiters(self) -> None:
        if self._next is not None:
            self._next.set_result(None)
            self._next = None

    async def aclose(self) -> None:
        """End the connection, its thread and its tasks; may be called any number of times."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._become("closed")
        self._release_waiters()
        if self._inbox is not None:
            await self._inbox.finish()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close()
        except Exception:
            logger.exception("A peer connection did not close; its sockets are closed instead.")
            await self._close_transports()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._newest = None

    async def _close_transports(self) -> None:
        """Free the sockets of a connection whose own close failed or hung."""
        self._connection.remove_all_listeners()
        for transceiver in self._connection.getTransceivers():
            dtls = transceiver.receiver.transport
            await asyncio.gather(dtls.stop(), dtls.transport.stop(), return_exceptions=True)


def _accepted_codecs() -> list[RTCRtpCodecCapability]:
    wanted = ("video/vp8", "video/h264", "video/rtx")
    capabilities = get_capabilities("video")
    return [codec for codec in capabilities.codecs if codec.mimeType.lower() in wanted]
