"""The four places where a stream's receiver differs from aiortc's own.

- Its decoder's queue is bounded: aiortc's is not, so a slow decoder would fall behind for ever.
- A frame is released with its last packet. aiortc waits for the next frame's first packet: one
  frame's time late, half a second at 2 frames a second.
- A gap that no retransmission fills is left behind after half a second. aiortc waits until 512
  packets are buffered, many seconds of a slow stream.
- Sender reports are read, so that a frame's age counts from its capture.

They replace private attributes of `RTCRtpReceiver`, so they are tied to the versions they were
tested with. With another version the stream runs on aiortc's own, still behind `decoder`'s guard.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import aiortc
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket
from aiortc.utils import uint16_add, uint32_add

from apps.streaming.datagrams import shield
from apps.streaming.decoder import LedgerCodec, Resync
from apps.streaming.ledger import StreamLedger
from apps.streaming.limits import FrameLimits
from apps.streaming.sender_clock import SenderClock

logger = logging.getLogger(__name__)

TESTED_AIORTC: Final = ("1.16.0",)

INBOX_CAPACITY: Final = 30
"""Encoded frames that may wait for the decoder: a second of video."""

GAP_TIMEOUT: Final = 45_000
"""RTP clock ticks (90 kHz) to wait for a retransmission: half a second."""

_JITTER_CAPACITY: Final = 512  # Packets. A power of two: sequence numbers wrap at 65,536.
_POLL_SECONDS: Final = 1.0
_JOIN_SECONDS: Final = 5.0

Parcel = tuple[RTCRtpCodecParameters, JitterFrame]


class SentFrame(JitterFrame):
    """A frame that knows its sender's `ssrc` and RTP timestamp; aiortc rewrites `timestamp`."""

    def __init__(self, data: bytes, timestamp: int, *, ssrc: int) -> None:
        """Take a frame as it was sent."""
        super().__init__(data, timestamp)
        self.ssrc = ssrc
        self.sent_timestamp = timestamp

    def moved(self, timestamp: int) -> "SentFrame":
        """Return the same frame at another `timestamp`."""
        frame = SentFrame(self.data, self.sent_timestamp, ssrc=self.ssrc)
        frame.timestamp = timestamp
        return frame


class FrameRun(JitterFrame):
    """Frames that became complete with one packet, oldest first.

    aiortc takes one frame for each packet, so this is the first of them and `later` has the rest.
    `after_gap`: frames before it are lost.
    """

    def __init__(self, frames: Sequence[SentFrame], *, after_gap: bool) -> None:
        """Take `frames`, at least one."""
        super().__init__(frames[0].data, frames[0].timestamp)
        self.later = frames[1:]
        self.after_gap = after_gap
        self._frames = frames

    def unfold(self) -> list[SentFrame]:
        """Return all frames, their timestamps moved as aiortc moved the first one's."""
        first = self._frames[0].sent_timestamp
        return [
            frame.moved(self.timestamp + uint32_add(frame.sent_timestamp, -first))
            for frame in self._frames
        ]


class PromptJitterBuffer(JitterBuffer):
    """Releases a frame as soon as its packets are complete, and leaves gaps behind in time.

    RFC 7741 and RFC 6184 set the RTP marker bit on a frame's last packet. A sender that sets it
    elsewhere is found out by the first frame that goes on after its marker; from then on the
    stream is treated as aiortc does.
    """

    def __init__(self) -> None:
        """Start empty, sized like aiortc's own video buffer."""
        super().__init__(capacity=_JITTER_CAPACITY, is_video=True)
        self._trusts_marker = True
        self._released: int | None = None
        self._gap_since: int | None = None
        self._after_gap = False

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; return whether a keyframe is needed, and what became complete."""
        gave_up = self._gives_up(packet)
        overflowed, frame = super().add(packet)
        if overflowed and isinstance(frame, FrameRun):
            frame.after_gap = True
        elif overflowed:
            self._after_gap = True
        return gave_up or overflowed, frame

    def _gives_up(self, packet: RtpPacket) -> bool:
        """Forget everything that waits behind a gap for too long."""
        if self._gap_since is None:
            return False
        waited = uint32_add(packet.timestamp, -self._gap_since)
        if not GAP_TIMEOUT < waited < 1 << 31:
            return False
        self.remove(self.capacity)
        self._origin = packet.sequence_number
        self._gap_since = None
        self._after_gap = True
        return True

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        packets = self._contiguous()
        self._note_gap(sequence_number, len(packets))
        frames, used = self._complete(packets)
        if not frames:
            return None
        self._released = frames[-1].timestamp
        self.remove(used)
        after_gap, self._after_gap = self._after_gap, False
        return FrameRun(frames, after_gap=after_gap)

    def _contiguous(self) -> list[RtpPacket]:
        packets: list[RtpPacket] = []
        for count in range(self._capacity):
            packet = self._packets[((self._origin or 0) + count) % self._capacity]
            if packet is None:
                break
            packets.append(packet)
        return packets

    def _note_gap(self, sequence_number: int, contiguous: int) -> None:
        if uint16_add(sequence_number, -(self._origin or 0)) < contiguous:
            self._gap_since = None
        elif self._gap_since is None:
            newest = self._packets[sequence_number % self._capacity]
            self._gap_since = newest.timestamp if newest else None

    def _complete(self, packets: list[RtpPacket]) -> tuple[list[SentFrame], int]:
        """Return the complete frames at the head of `packets`, and how many packets they are."""
        frames: list[SentFrame] = []
        used = 0
        for index, packet in enumerate(packets):
            if index > used and packet.timestamp != packets[used].timestamp:
                frames.append(_joined(packets[used:index]))
                used = index
            if index == used:
                self._check_marker(packet, frames)
            if packet.marker and self._trusts_marker:
                frames.append(_joined(packets[used : index + 1]))
                used = index + 1
        return frames, used

    def _check_marker(self, packet: RtpPacket, frames: list[SentFrame]) -> None:
        """Stop trusting markers when a frame goes on after its marked packet."""
        released = frames[-1].timestamp if frames else self._released
        if packet.timestamp == released and _payload(packet) and self._trusts_marker:
            self._trusts_marker = False
            logger.info("A sender marks packets within a frame; its frames are released later.")


def _payload(packet: RtpPacket) -> bytes:
    data: bytes = packet._data  # type: ignore[attr-defined]
    return data


def _joined(packets: list[RtpPacket]) -> SentFrame:
    first = packets[0]
    return SentFrame(b"".join(map(_payload, packets)), first.timestamp, ssrc=first.ssrc)


class DecoderInbox:
    """The encoded frames that wait for a stream's decoder thread, `capacity` at most.

    When the decoder falls behind, all that waits is dropped, and a `Resync` makes the decoder go on
    with the next keyframe: newest wins. Stands in for the `queue.Queue` of aiortc's receiver.
    """

    def __init__(
        self,
        *,
        ledger: StreamLedger,
        clock: SenderClock | None = None,
        capacity: int = INBOX_CAPACITY,
    ) -> None:
        """Start empty and open."""
        self._ledger = ledger
        self._clock = clock or SenderClock()
        self._capacity = capacity
        self._parcels: deque[Parcel] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    def put(self, parcel: Parcel | None) -> None:
        """Add a frame and what came with it; None closes the inbox (event loop thread)."""
        if parcel is None:
            self.close()
            return
        codec, frame = parcel
        now = time.time()
        with self._changed:
            if self._closed:
                return
            if isinstance(frame, FrameRun) and frame.after_gap:
                self._parcels.append((codec, Resync()))
            for part in frame.unfold() if isinstance(frame, FrameRun) else [frame]:
                self._append(codec, part, now)
            self._changed.notify()

    def _append(self, codec: RTCRtpCodecParameters, frame: JitterFrame, now: float) -> None:
        if len(self._parcels) >= self._capacity:
            self._ledger.overflow(len(self._parcels))
            self._parcels.clear()
            self._parcels.append((codec, Resync()))
        self._parcels.append((codec, frame))
        self._ledger.arrive(frame.timestamp, self._captured_at(frame, now))

    def _captured_at(self, frame: JitterFrame, now: float) -> float:
        if not isinstance(frame, SentFrame):
            return now
        return self._clock.captured_at(
            ssrc=frame.ssrc, timestamp=frame.sent_timestamp, arrived_at=now
        )

    def get(self) -> Parcel | None:
        """Wait for the next frame; None when the inbox is closed (decoder thread)."""
        self._reader = threading.current_thread()
        with self._changed:
            while not self._parcels and not self._closed:
                notified = self._changed.wait(_POLL_SECONDS)
                if not notified and not threading.main_thread().is_alive():
                    # aiortc's decoder threads are no daemons: one that waits for a stream which
                    # nobody closed would keep the process from ever ending.
                    raise SystemExit
            return None if self._closed else self._parcels.popleft()

    def close(self) -> None:
        """Drop what waits and let the decoder thread end after its current frame."""
        with self._changed:
            self._closed = True
            self._parcels.clear()
            self._changed.notify_all()

    async def finish(self) -> None:
        """Close and wait for the decoder thread off the event loop, where aiortc would block."""
        self.close()
        if self._reader is not None and self._reader.is_alive():
            await asyncio.to_thread(self._reader.join, _JOIN_SECONDS)


def customize_receiver(
    transceiver: aiortc.RTCRtpTransceiver,
    *,
    limits: FrameLimits,
    ledger: StreamLedger,
    clock: SenderClock,
) -> DecoderInbox | None:
    """Give a negotiated transceiver its own limits, ledger, inbox, jitter buffer and clock.

    Call between setRemoteDescription and createAnswer. Returns None, having changed nothing,
    with an aiortc this was not tested with.
    """
    if aiortc.__version__ not in TESTED_AIORTC:
        logger.warning(
            "aiortc %s is not one of the tested versions (%s): frames will arrive later.",
            aiortc.__version__,
            ", ".join(TESTED_AIORTC),
        )
        return None
    inbox = DecoderInbox(ledger=ledger, clock=clock)
    receiver = transceiver.receiver
    transceiver._codecs = [_with_ledger(c, limits, ledger) for c in transceiver._codecs]
    setattr(receiver, "_RTCRtpReceiver__decoder_queue", inbox)  # noqa: B010
    setattr(receiver, "_RTCRtpReceiver__jitter_buffer", PromptJitterBuffer())  # noqa: B010
    _tap_sender_reports(receiver, clock)
    shield(receiver.transport)
    return inbox


def _tap_sender_reports(receiver: RTCRtpReceiver, clock: SenderClock) -> None:
    """Pass each sender report to the clock before aiortc handles it."""
    handle = receiver._handle_rtcp_packet

    async def tap(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            info = packet.sender_info
            clock.report(
                ssrc=packet.ssrc,
                ntp=info.ntp_timestamp,
                timestamp=info.rtp_timestamp,
                arrived_at=time.time(),
            )
        await handle(packet)

    receiver._handle_rtcp_packet = tap  # type: ignore[method-assign]


def _with_ledger(
    codec: RTCRtpCodecParameters, limits: FrameLimits, ledger: StreamLedger
) -> LedgerCodec:
    copy = LedgerCodec(**vars(codec))
    copy.limits = limits
    copy.ledger = ledger
    return copy
