"""One camera against one peer session, over real UDP.

Guards: the answer is complete, recvonly, VP8 or H.264 and without rotation; frames arrive decoded,
newest only, with the time they arrived; each way of having no frame has its own error; silence,
vanished clients and clients that never come end the peer; closing is idempotent and complete.
"""

import asyncio
import time

import numpy as np
import pytest

from apps.streaming import receiving
from apps.streaming.config import MediaConfig
from apps.streaming.errors import FrameTooLarge, NoFrame, NoStream, StreamStalled
from apps.streaming.host import MediaHost
from apps.streaming.limits import FrameLimits
from apps.streaming.peer import PeerSession
from tests.unit.streaming.camera import Camera, PictureTrack, stand_in_offer, until


@pytest.fixture
async def host():
    media = MediaHost(MediaConfig(silence_seconds=2.0, stall_seconds=0.5, connect_seconds=2.0))
    yield media
    await media.aclose()


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_camera_becomes_frames(host: MediaHost, codec: str):
    async with Camera(codec=codec) as camera:
        await camera.connect(host, "s1")
        frame = await host.require("s1").capture(max_age=1.0, timeout=5.0)
    assert (frame.width, frame.height) == (320, 240)
    assert abs(frame.captured_at - time.time()) < 1
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
        await until(lambda: peer.stats.frames_in > 40, timeout=10)
        stats = peer.stats
    assert (stats.state, stats.width, stats.height) == ("connected", 320, 240)
    assert stats.fps == pytest.approx(20, rel=0.35)
    assert stats.last_frame_at is not None
    assert stats.frames_refused == 0


async def test_only_the_newest_frame_is_kept(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        first = await peer.capture(max_age=1.0, timeout=5.0)
        await asyncio.sleep(0.5)
        second = await peer.capture(max_age=1.0, timeout=5.0)
        assert second.captured_at - first.captured_at > 0.3
        assert peer._receiver is not None
        assert peer._receiver.track._queue.qsize() <= 1


async def test_a_fresh_frame_is_handed_out_at_once_and_an_old_one_is_not(host: MediaHost):
    async with Camera(PictureTrack(fps=4)) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        first = await peer.capture(max_age=1.0, timeout=5.0)
        assert await peer.capture(max_age=1.0, timeout=5.0) is first
        asked_at = time.time()
        newer = await peer.capture(max_age=0.0, timeout=5.0)
        assert newer.captured_at >= asked_at - 0.05


async def test_time_spent_in_the_sender_and_on_the_way_counts_as_age(host: MediaHost):
    async with Camera(PictureTrack(fps=20)) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await until(lambda: peer._clock._report is not None)
        peer.note_round_trip(0.0)
        prompt = await peer.capture(max_age=0.0, timeout=5.0)
        assert time.time() - prompt.captured_at < 0.25
        camera.delay(0.3)
        await asyncio.sleep(0.6)
        late = await peer.capture(max_age=0.0, timeout=5.0)
        assert 0.29 < time.time() - late.captured_at < 0.7
        peer.note_round_trip(0.2)
        waited = await peer.capture(max_age=0.0, timeout=5.0)
        assert time.time() - waited.captured_at < 0.7, "the shortest round trip counts"


async def test_waiting_ends_with_no_frame(host: MediaHost):
    track = PictureTrack()
    track.paused = True
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        with pytest.raises(NoFrame) as failure:
            await host.require("s1").capture(max_age=1.0, timeout=0.3)
    assert failure.value.code == "no_frame"


async def test_a_stalled_stream_says_so_and_recovers(host: MediaHost):
    track = PictureTrack()
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
        track.paused = True
        await until(lambda: peer.state == "stalled")
        with pytest.raises(StreamStalled) as failure:
            await peer.capture(max_age=0.1, timeout=0.1)
        assert failure.value.code == "stream_stalled"
        track.paused = False
        await peer.capture(max_age=0.1, timeout=5.0)
        assert peer.state == "connected"


async def test_too_large_a_picture_is_told_and_a_smaller_one_works():
    host = MediaHost(MediaConfig(limits=FrameLimits(320, 240)))
    told = []
    host.subscribe(told.append)
    track = PictureTrack(width=640, height=480)
    try:
        async with Camera(track) as camera:
            await camera.connect(host, "s1")
            peer = host.require("s1")
            with pytest.raises(FrameTooLarge) as failure:
                await peer.capture(max_age=1.0, timeout=1.5)
            assert "320x240" in failure.value.detail
            assert [state.error for state in told][-1] == "frame_too_large"
            assert peer.stats.frames_in == 0
            track.resize(320, 240)
            frame = await peer.capture(max_age=1.0, timeout=10.0)
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
        await host.require("s1").capture(max_age=1.0, timeout=5.0)
        track.resize(240, 320)
        await until(lambda: (told[-1].width, told[-1].height) == (240, 320))


async def test_silence_ends_the_peer(host: MediaHost):
    told = []
    host.subscribe(told.append)
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
        await camera.vanish()
        with pytest.raises(NoStream):
            await peer.capture(max_age=0.0, timeout=10.0)
        await until(lambda: host.get("s1") is None)
        await until(lambda: told[-1].state == "closed")
        assert told[-1].reason == "The camera fell silent."


async def test_a_client_that_never_connects_is_given_up(host: MediaHost):
    await host.accept("s1", await stand_in_offer())
    peer = host.require("s1")
    with pytest.raises(NoStream):
        await peer.capture(max_age=1.0, timeout=10.0)
    await until(lambda: host.get("s1") is None)
    assert peer.lost == "The camera never connected."


async def test_a_client_that_hangs_up_ends_the_peer_at_once(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        await host.require("s1").capture(max_age=1.0, timeout=5.0)
    await until(lambda: host.get("s1") is None, timeout=1.5)


async def test_closing_twice_and_at_once_is_one_close(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
        waiting = asyncio.create_task(peer.capture(max_age=0.0, timeout=5.0))
        await asyncio.sleep(0)
        await asyncio.gather(*(peer.aclose() for _ in range(5)))
        await peer.aclose()
        assert peer.state == "closed"
        with pytest.raises(NoStream):
            await waiting
        with pytest.raises(NoStream):
            await peer.capture(max_age=9.0, timeout=1.0)


async def test_a_connection_that_does_not_close_frees_its_sockets(host: MediaHost, monkeypatch):
    monkeypatch.setattr("apps.streaming.peer._CLOSE_SECONDS", 0.2)
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
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
        await peer.capture(max_age=1.0, timeout=5.0)
    assert "not one of the tested versions" in caplog.text


async def test_a_frame_is_here_before_the_next_one_is_sent(host: MediaHost):
    """aiortc alone releases a frame with the next one's first packet: 500 ms at 2 a second."""
    track = PictureTrack(fps=2)
    async with Camera(track) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
        seen = peer.stats.frames_in
        await until(lambda: peer.stats.frames_in > seen, timeout=3)
        sent = track._number
        assert peer.stats.frames_in >= sent - 1


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_loss_costs_frames_but_never_the_stream(host: MediaHost, codec: str):
    async with Camera(PictureTrack(width=640, height=480), codec=codec) as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        await peer.capture(max_age=1.0, timeout=5.0)
        camera.lose(0.05)
        longest = 0.0
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            asked_at = time.monotonic()
            frame = await peer.capture(max_age=0.0, timeout=5.0)
            longest = max(longest, time.monotonic() - asked_at)
            row = frame.image.to_ndarray(format="rgb24")[5, :, :]
            plain = row[np.abs(row.astype(int) - (40, 90, 160)).max(axis=1) < 40]
            assert len(plain) > 560, "the picture is damaged"
        assert longest < 2.5


async def test_a_peer_needs_no_host():
    changes: list[PeerSession] = []
    peer = PeerSession(MediaConfig(), on_change=changes.append)
    await peer.aclose()
    assert [p.state for p in changes] == ["closed"]
