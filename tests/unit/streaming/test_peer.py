"""One camera against one peer session, over real UDP.

Guards: the answer is complete, recvonly, VP8 or H.264 and without rotation; frames arrive decoded,
newest only, with the time they arrived; each way of having no frame has its own error; silence,
vanished clients and clients that never come end the peer; closing is idempotent and complete.
"""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest

from apps.contract import Refusal
from apps.streaming import receiving
from apps.streaming.config import MediaConfig
from apps.streaming.host import MediaHost
from apps.streaming.limits import FrameLimits
from apps.streaming.peer import PeerSession
from tests.unit.streaming.camera import Camera, PictureTrack, stand_in_offer, until

PATIENT = MediaConfig(silence_seconds=60.0, stall_seconds=60.0, connect_seconds=60.0)


@pytest.fixture
async def host(request: pytest.FixtureRequest):
    """A media host that waits for a slow machine; `impatient` says for what it does not."""
    media = MediaHost(replace(PATIENT, **getattr(request, "param", {})))
    yield media
    await media.aclose()


def impatient(**seconds: float) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("host", [seconds], indirect=True, ids=["impatient"])


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.streaming.peer.STALL_TIMEOUT_SECONDS", 60.0)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_camera_becomes_frames(host: MediaHost, codec: str):
    async with Camera(codec=codec) as camera:
        began = time.time()
        await camera.connect(host, "s1")
        frame = await host.require("s1").capture(max_age=1.0, timeout=30.0)
    assert (frame.width, frame.height) == (320, 240)
    assert began < frame.captured_at <= time.time()
    blue = frame.image.to_ndarray(format="rgb24")[5, :, :].mean(axis=0)
    assert np.abs(blue - (40, 90, 160)).max() < 25


async def test_the_answer_is_complete(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        answer = camera.answer
    assert "a=candidate:" in answer
    assert "a=end-of-candidates" in answer
    assert "a=recvonly" in answer
    assert "3gpp" not in answer, "with rotation negotiated, browsers send turned pictures"
    codecs = {line.split()[1].split("/")[0] for line in answer.splitlines() if "a=rtpmap" in line}
    assert codecs <= {"VP8", "H264", "rtx"}


async def test_rotation_is_not_negotiated_even_when_offered(host: MediaHost):
    offer = await stand_in_offer()
    offer += "a=extmap:13 urn:3gpp:video-orientation\r\n"
    assert "3gpp" not in await host.accept("s1", offer)


async def test_stats_describe_the_stream(host: MediaHost):
    async with Camera(PictureTrack(fps=20)) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await until(lambda: peer.stats.frames_in > 40)
        await until(lambda: peer.stats.fps == pytest.approx(20, rel=0.35))
        stats = peer.stats
    assert (stats.state, stats.width, stats.height) == ("connected", 320, 240)
    assert stats.last_frame_at is not None
    assert stats.frames_refused == 0


async def test_only_the_newest_frame_is_kept(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        first = await peer.capture(max_age=1.0, timeout=30.0)
        await until(lambda: peer.stats.last_frame_at > first.captured_at + 0.3)
        second = await peer.capture(max_age=30.0, timeout=30.0)
        assert second.captured_at - first.captured_at > 0.3
        assert peer._receiver is not None
        queue = peer._receiver.track._queue
        await until(lambda: queue.qsize() <= 1)


async def test_a_fresh_frame_is_handed_out_at_once_and_an_old_one_is_not(host: MediaHost):
    async with Camera(PictureTrack(fps=4)) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        first = await peer.capture(max_age=1.0, timeout=30.0)
        assert await peer.capture(max_age=30.0, timeout=30.0) is first
        newer = await peer.capture(max_age=0.0, timeout=30.0)
        assert newer.captured_at > first.captured_at


async def test_time_spent_in_the_sender_and_on_the_way_counts_as_age(host: MediaHost):
    async with Camera(PictureTrack(fps=20)) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await until(lambda: peer._clock._report is not None)
        peer.note_round_trip(0.0)
        await youngest_below(0.25, peer)
        # Both clocks are this machine's, so they differ by nothing once a report or a frame has
        # come without delay; before, on a busy machine, frames are taken for younger than they are.
        await until(lambda: peer._clock._offset.value < 0.005, timeout=60)
        camera.delay(0.3)
        await asyncio.sleep(0.6)
        assert await youngest_below(0.7, peer) > 0.29
        peer.note_round_trip(0.2)
        # The shortest round trip counts: with 0.2 s all frames would be 0.1 s older.
        assert await youngest_below(0.39, peer) > 0.29


async def youngest_below(bound: float, peer: PeerSession) -> float:
    """Take frames until one is younger than `bound`, s; return the age of the youngest one."""
    ages = [float("inf")]
    deadline = time.monotonic() + 30
    while min(ages) >= bound:
        assert time.monotonic() < deadline, f"The youngest frame was {min(ages):.3f} s old."
        frame = await peer.capture(max_age=0.0, timeout=30.0)
        ages.append(time.time() - frame.captured_at)
    return min(ages)


async def test_waiting_ends_with_no_frame(host: MediaHost):
    track = PictureTrack()
    track.paused = True
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        with pytest.raises(Refusal) as failure:
            await host.require("s1").capture(max_age=1.0, timeout=0.3)
    assert failure.value.code == "no_frame"


@impatient(stall_seconds=0.5)
async def test_a_stalled_stream_says_so_and_recovers(host: MediaHost):
    track = PictureTrack()
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        track.paused = True
        await until(lambda: peer.state == "stalled")
        with pytest.raises(Refusal) as failure:
            await peer.capture(max_age=0.1, timeout=0.1)
        assert failure.value.code == "stream_stalled"
        track.paused = False
        await peer.capture(max_age=0.1, timeout=30.0)
        await until(lambda: peer.state == "connected")


async def test_too_large_a_picture_is_told_and_a_smaller_one_works():
    host = MediaHost(MediaConfig(limits=FrameLimits(320, 240)))
    told = []
    host.subscribe(told.append)
    track = PictureTrack(width=640, height=480)
    try:
        async with Camera(track) as camera:
            await camera.connect(host, "s1")
            peer = host.require("s1")
            await until(lambda: told and told[-1].error == "frame_too_large")
            with pytest.raises(Refusal) as failure:
                await peer.capture(max_age=1.0, timeout=0.5)
            assert failure.value.code == "frame_too_large"
            assert "320x240" in failure.value.detail
            assert peer.stats.frames_in == 0
            track.resize(320, 240)
            frame = await peer.capture(max_age=1.0, timeout=30.0)
            assert (frame.width, frame.height) == (320, 240)
            await until(lambda: told[-1].error is None)
    finally:
        await host.aclose()


async def test_a_turned_phone_changes_the_size(host: MediaHost):
    told = []
    host.subscribe(told.append)
    track = PictureTrack(width=320, height=240)
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        await host.require("s1").capture(max_age=1.0, timeout=30.0)
        track.resize(240, 320)
        await until(lambda: (told[-1].width, told[-1].height) == (240, 320))


async def test_silence_ends_the_peer(host: MediaHost):
    told = []
    host.subscribe(told.append)
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        peer._config = replace(PATIENT, silence_seconds=2.0)
        await camera.vanish()
        with pytest.raises(Refusal, match=r"not connected|disconnected"):
            while True:  # A frame may still be on its way.
                await peer.capture(max_age=0.0, timeout=30.0)
        await until(lambda: host.get("s1") is None)
        await until(lambda: told[-1].state == "closed")
        assert told[-1].reason == "The camera fell silent."


@impatient(connect_seconds=2.0)
async def test_a_client_that_never_connects_is_given_up(host: MediaHost):
    await host.accept("s1", await stand_in_offer())
    peer = host.require("s1")
    with pytest.raises(Refusal, match=r"not connected|disconnected"):
        await peer.capture(max_age=1.0, timeout=30.0)
    await until(lambda: host.get("s1") is None)
    assert peer.lost == "The camera never connected."


async def test_a_client_that_hangs_up_ends_the_peer_at_once(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        await host.require("s1").capture(max_age=1.0, timeout=30.0)
    await until(lambda: host.get("s1") is None)  # Silence would be told after a minute only.


async def test_closing_twice_and_at_once_is_one_close(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        camera.lose(1.0)
        with pytest.raises(Refusal, match=r"has not sent|has stopped"):
            while True:  # What was still on its way has come.
                await peer.capture(max_age=0.0, timeout=0.3)
        waiting = asyncio.create_task(peer.capture(max_age=0.0, timeout=30.0))
        await asyncio.sleep(0)
        await asyncio.gather(*(peer.aclose() for _ in range(5)))
        await peer.aclose()
        assert peer.state == "closed"
        with pytest.raises(Refusal, match=r"not connected|disconnected"):
            await waiting
        with pytest.raises(Refusal, match=r"not connected|disconnected"):
            await peer.capture(max_age=9.0, timeout=1.0)


async def test_a_connection_that_does_not_close_frees_its_sockets(host: MediaHost, monkeypatch):
    monkeypatch.setattr("apps.streaming.peer._CLOSE_SECONDS", 0.2)
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        assert peer._receiver is not None
        ice = peer._receiver.transport.transport
        rtcp = peer._receiver._RTCRtpReceiver__rtcp_task

        async def hang() -> None:
            await asyncio.sleep(3600)

        monkeypatch.setattr(peer._connection, "close", hang)
        await host.close("s1")
        assert ice.state == "closed"
        assert not ice._connection._protocols
        rtcp.cancel()


async def test_an_untested_aiortc_still_delivers(host: MediaHost, monkeypatch, caplog):
    monkeypatch.setattr(receiving, "TESTED_AIORTC", ("0.0",))
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        assert peer._inbox is None
        await peer.capture(max_age=1.0, timeout=30.0)
    assert "not one of the tested versions" in caplog.text


async def test_a_frame_is_here_before_the_next_one_is_sent(host: MediaHost):
    """aiortc alone releases a frame with the next one's first packet: 500 ms at 2 a second."""
    track = PictureTrack(fps=2)
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        # The track counts a frame when it begins to wait for its time, so the last one is not sent.
        await until(lambda: peer.stats.frames_in >= track._number - 1)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_loss_costs_frames_but_never_the_stream(host: MediaHost, codec: str):
    async with Camera(PictureTrack(width=640, height=480), codec=codec) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=30.0)
        camera.lose(0.05)
        # In frames sent, not in seconds: while the machine stands still nothing is sent.
        longest, track = 0, camera.track
        end = track._number + 120
        while track._number < end:
            before = track._number
            frame = await peer.capture(max_age=0.0, timeout=30.0)
            longest = max(longest, track._number - before)
            row = frame.image.to_ndarray(format="rgb24")[5, :, :]
            plain = row[np.abs(row.astype(int) - (40, 90, 160)).max(axis=1) < 40]
            assert len(plain) > 560, "the picture is damaged"
        assert longest < 75


async def test_a_peer_needs_no_host():
    changes: list[PeerSession] = []
    peer = PeerSession(MediaConfig(), on_change=changes.append)
    await peer.aclose()
    assert [p.state for p in changes] == ["closed"]
