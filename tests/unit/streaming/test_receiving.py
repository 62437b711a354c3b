"""Jitter buffer and decoder inbox, without a network.

Guards: frames are released with their last packet, whole and in order, whatever is lost, swapped
or doubled; a gap nobody fills is left behind in half a second instead of 512 packets; a slow
decoder drops frames instead of falling behind; the decoder thread always ends.
"""

import asyncio
import random
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from apps.streaming.decoder import Resync
from apps.streaming.ledger import StreamLedger
from apps.streaming.receiving import (
    INBOX_CAPACITY,
    DecoderInbox,
    FrameRun,
    PromptJitterBuffer,
    SentFrame,
)

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
TICKS = 3_000


def packets(
    frames: int, *, size: int = 3, first: int = 65_530, marker: int = -1
) -> list[RtpPacket]:
    """`frames` frames of `size` packets at 30 a second; `marker` is the marked packet's index."""
    result = []
    for number in range(frames):
        for part in range(size):
            packet = RtpPacket(
                payload_type=97,
                sequence_number=(first + number * size + part) % 65_536,
                timestamp=(2**32 - 5_000 + number * TICKS) % 2**32,
                marker=int(part == (marker % size)),
            )
            packet._data = f"{number}.{part};".encode()
            result.append(packet)
    return result


def whole(number: int, size: int = 3) -> bytes:
    return b"".join(f"{number}.{part};".encode() for part in range(size))


class Played:
    """What came out of a buffer: the frames, after which packet, and the keyframes asked for."""

    def __init__(self, buffer: JitterBuffer, arriving: list[RtpPacket]) -> None:
        self.frames: list[bytes] = []
        self.when: list[int] = []
        self.gaps: list[int] = []
        self.asked = 0
        for index, packet in enumerate(arriving):
            asked, run = buffer.add(packet)
            self.asked += asked
            if isinstance(run, FrameRun):
                if run.after_gap:
                    self.gaps.append(len(self.frames))
                self.frames += [frame.data for frame in run.unfold()]
                self.when += [index] * (1 + len(run.later))
            elif run is not None:
                self.frames.append(run.data)
                self.when.append(index)


def test_a_frame_is_released_with_its_last_packet():
    played = Played(PromptJitterBuffer(), packets(5))
    assert played.frames == [whole(number) for number in range(5)]
    assert played.when == [2, 5, 8, 11, 14]
    assert played.asked == 0


def test_without_markers_frames_come_as_aiortc_gives_them():
    arriving = packets(5)
    for packet in arriving:
        packet.marker = 0
    ours, theirs = (
        Played(PromptJitterBuffer(), arriving),
        Played(JitterBuffer(capacity=512, is_video=True), arriving),
    )
    assert (ours.frames, ours.when) == (theirs.frames, theirs.when)


def test_a_sender_that_marks_every_slice_is_found_out():
    arriving = packets(6)
    for packet in arriving:
        packet.marker = 1
    frames = Played(PromptJitterBuffer(), arriving).frames
    assert frames[-3:] == [whole(number) for number in (2, 3, 4)]


def test_padding_after_the_marker_is_harmless():
    arriving = packets(4, size=3, marker=1)
    for packet in arriving:
        if packet._data.endswith(b".2;"):
            packet._data = b""
    frames = [frame for frame in Played(PromptJitterBuffer(), arriving).frames if frame]
    assert frames == [f"{n}.0;{n}.1;".encode() for n in range(4)]


@pytest.mark.parametrize("seed", range(20))
def test_swapped_and_doubled_packets_make_no_damaged_frame(seed):
    dice = random.Random(seed)
    arriving = packets(60)
    for index in range(1, len(arriving) - 1):
        if dice.random() < 0.2:
            arriving[index], arriving[index + 1] = arriving[index + 1], arriving[index]
    doubled = [p for packet in arriving for p in [packet] * (1 + (dice.random() < 0.1))]
    assert Played(PromptJitterBuffer(), doubled).frames == [whole(n) for n in range(60)]


@pytest.mark.parametrize("seed", range(20))
def test_lost_packets_that_come_again_make_no_damaged_frame(seed):
    """2 % lost, sent again five packets later: every frame whole, in order, none kept back."""
    dice = random.Random(seed)
    arriving: list[tuple[int, RtpPacket]] = []
    for index, packet in enumerate(packets(100)):
        late = index > 0 and dice.random() < 0.02
        arriving.append((index * 2 + (11 if late else 0), packet))
    arriving.sort(key=lambda entry: entry[0])
    played = Played(PromptJitterBuffer(), [packet for _, packet in arriving])
    assert played.frames == [whole(number) for number in range(100)]
    assert played.asked == 0


def test_a_filled_gap_releases_everything_at_once():
    """aiortc releases one frame a packet, so frames of one packet would stay late for ever."""
    arriving = packets(10, size=1)
    arriving.insert(6, arriving.pop(2))
    played = Played(PromptJitterBuffer(), arriving)
    assert played.frames == [whole(number, 1) for number in range(10)]
    assert played.when[2:7] == [6, 6, 6, 6, 6]


def test_released_timestamps_keep_their_distance():
    arriving = packets(5, size=1)
    arriving.insert(4, arriving.pop(1))
    buffer = PromptJitterBuffer()
    run = [buffer.add(packet)[1] for packet in arriving][4]
    assert isinstance(run, FrameRun)
    run.timestamp = 7  # aiortc maps the first frame's timestamp to the stream's own time.
    assert [frame.timestamp for frame in run.unfold()] == [
        7,
        7 + TICKS,
        7 + 2 * TICKS,
        7 + 3 * TICKS,
    ]


def test_a_gap_that_nobody_fills_is_left_behind():
    arriving = packets(60)
    del arriving[31]
    played = Played(PromptJitterBuffer(), arriving)
    assert played.asked == 1
    assert played.gaps == [10]
    assert played.frames[:10] == [whole(number) for number in range(10)]
    assert played.frames[-25:] == [whole(number) for number in range(35, 60)]
    stock = Played(JitterBuffer(capacity=512, is_video=True), arriving)
    assert len(stock.frames) == 10, "aiortc waits on"


def test_a_slow_senders_pause_is_no_gap():
    arriving = packets(10, size=2)
    for index, packet in enumerate(arriving):
        packet.timestamp = (1000 + index // 2 * 90_000) % 2**32
    played = Played(PromptJitterBuffer(), arriving)
    assert played.frames == [whole(number, 2) for number in range(10)]
    assert played.asked == 0


def test_heavy_loss_never_makes_a_frame_without_its_middle():
    dice = random.Random(5)
    arriving = [packet for packet in packets(400) if dice.random() > 0.05]
    played = Played(PromptJitterBuffer(), arriving)
    complete = {whole(number) for number in range(400)}
    damaged = [i for i, frame in enumerate(played.frames) if frame not in complete]
    # Only what comes right after a gap may lack its head, and the decoder waits for a keyframe.
    assert set(damaged) <= set(played.gaps)
    assert played.frames


def parcel(number: int) -> tuple[RTCRtpCodecParameters, JitterFrame]:
    return VP8, JitterFrame(data=bytes([number]), timestamp=number)


def test_the_inbox_hands_frames_on_in_order():
    inbox = DecoderInbox(ledger=StreamLedger())
    given = [parcel(number) for number in range(3)]
    for item in given:
        inbox.put(item)
    assert [inbox.get() for _ in range(3)] == given


def test_a_full_inbox_drops_what_waits():
    ledger = StreamLedger()
    inbox = DecoderInbox(ledger=ledger)
    for number in range(INBOX_CAPACITY + 1):
        inbox.put(parcel(number))
    first, second = inbox.get(), inbox.get()
    assert first is not None and isinstance(first[1], Resync)
    assert second is not None and second[1].timestamp == INBOX_CAPACITY
    assert ledger.dropped == INBOX_CAPACITY


def test_the_inbox_never_holds_more_than_its_capacity():
    inbox = DecoderInbox(ledger=StreamLedger(), capacity=5)
    for number in range(1000):
        inbox.put(parcel(number % 250))
        assert len(inbox._parcels) <= 5


def test_frames_after_a_gap_follow_a_resync():
    inbox = DecoderInbox(ledger=StreamLedger())
    run = FrameRun([SentFrame(b"a", 1, ssrc=5), SentFrame(b"b", 2, ssrc=5)], after_gap=True)
    inbox.put((VP8, run))
    taken = [inbox.get() for _ in range(3)]
    assert [type(item[1]) for item in taken if item] == [Resync, SentFrame, SentFrame]


def test_arrivals_are_noted_and_bounded():
    ledger = StreamLedger()
    inbox = DecoderInbox(ledger=ledger)
    before = time.time()
    inbox.put(parcel(9))
    arrived = ledger.claim_capture(9)
    assert arrived is not None and before <= arrived <= time.time()
    assert ledger.claim_capture(9) is None
    for number in range(10_000):
        ledger.arrive(number, 0.0)
    assert len(ledger._arrivals) <= 512


async def test_finishing_ends_the_thread_off_the_loop():
    inbox = DecoderInbox(ledger=StreamLedger())
    taken = []
    decoding, go_on = threading.Event(), threading.Event()

    def work() -> None:
        while (item := inbox.get()) is not None:
            taken.append(item)
            decoding.set()
            go_on.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    for number in range(10):
        inbox.put(parcel(number))
    assert await asyncio.to_thread(decoding.wait, 30)
    finishing = asyncio.create_task(inbox.finish())
    for _ in range(6):  # The loop goes on meanwhile.
        await asyncio.sleep(0.01)
    assert not finishing.done()
    go_on.set()
    await finishing
    assert not thread.is_alive()
    assert len(taken) == 1, "what waited is dropped"
    inbox.put(parcel(1))
    assert inbox.get() is None


def test_a_thread_nobody_ended_does_not_keep_the_process():
    script = """
        import threading
        from apps.streaming.ledger import StreamLedger
        from apps.streaming.receiving import DecoderInbox
        threading.Thread(target=DecoderInbox(ledger=StreamLedger()).get).start()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], timeout=20, capture_output=True
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
