"""Many cameras in one process.

Guards: threads, sockets and tasks return after connects and disconnects; garbage offers at once
get a clear error each; a session has one peer, the newest; one broken peer or subscriber disturbs
no other; a closed host accepts nothing.
"""

import asyncio
import gc
import threading
from pathlib import Path

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from apps.contract import Refusal
from apps.streaming.config import MediaConfig
from apps.streaming.host import MediaHost
from apps.streaming.metrics import STREAMS_CONNECTED
from apps.streaming.types import StreamState
from tests.unit.streaming.camera import Camera, stand_in_offer, until


@pytest.fixture
async def host():
    media = MediaHost(MediaConfig())
    yield media
    await media.aclose()


def decoder_threads() -> int:
    return sum(thread.name == "video-decoder" for thread in threading.enumerate())


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_thirty_connects_leave_nothing_behind(host: MediaHost):
    async def connect_once(number: int) -> None:
        async with Camera() as camera:
            await camera.connect(host, f"s{number}")
            await host.require(f"s{number}").capture(max_age=1.0, timeout=30.0)
            if number % 2:
                await host.close(f"s{number}")
        await until(lambda: host.get(f"s{number}") is None)

    await connect_once(0)
    await until(lambda: not host._tasks and decoder_threads() == 0)
    await asyncio.sleep(0.1)
    files, tasks = open_files(), len(asyncio.all_tasks())
    for number in range(1, 31):
        await connect_once(number)
    await until(lambda: decoder_threads() == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: open_files() <= files)
    assert len(host) == 0
    assert not host._tickets and not host._published and not host._tasks
    assert STREAMS_CONNECTED._value.get() == 0


async def test_a_new_offer_replaces_the_older_peer(host: MediaHost):
    async with Camera() as first, Camera() as second:
        await first.connect(host, "s1")
        older = host.require("s1")
        await older.capture(max_age=1.0, timeout=30.0)
        await second.connect(host, "s1")
        newer = host.require("s1")
        assert newer is not older
        await newer.capture(max_age=1.0, timeout=30.0)
        await until(lambda: older.state == "closed")
        await until(lambda: decoder_threads() == 1)
        assert len(host) == 1


async def test_a_refused_offer_leaves_the_peer_alone(host: MediaHost):
    async with Camera() as camera:
        await camera.connect(host, "s1")
        peer = host.require("s1")
        with pytest.raises(Refusal, match="no video track"):
            await host.accept("s1", "v=0\r\n")
        assert host.require("s1") is peer
        await peer.capture(max_age=1.0, timeout=30.0)


async def test_of_offers_at_once_the_last_wins(host: MediaHost):
    offers = [await stand_in_offer() for _ in range(5)]
    outcomes = await asyncio.gather(
        *(host.accept("s1", offer) for offer in offers), return_exceptions=True
    )
    assert [isinstance(outcome, str) for outcome in outcomes] == [False] * 4 + [True]
    assert len(host) == 1
    assert not host._tickets


async def test_a_session_that_ends_during_its_offer_gets_no_peer(host: MediaHost):
    offering = asyncio.create_task(host.accept("s1", await stand_in_offer()))
    await asyncio.sleep(0)
    assert await host.close("s1") is False
    with pytest.raises(Refusal, match="came in between"):
        await offering
    assert len(host) == 0


async def test_twenty_garbage_offers_at_once_get_an_error_each(host: MediaHost):
    offer = await stand_in_offer()
    garbage = [
        "",
        "garbage",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        offer.replace("VP8", "AV1").replace("H264", "VP9"),
        offer.replace("a=setup:actpass", "a=setup:nonsense"),
        offer.replace("profile-level-id=42", "profile-level-id=zz").replace("VP8", "x"),
        offer.replace("a=ice-pwd:", "a=ice-pwd:\x00"),
        "\x00\xff" * 1000,
        "m=video 9 UDP/TLS/RTP/SAVPF 999999\r\n",
        "x" * 70_000,
    ]
    before = set(threading.enumerate())
    outcomes = await asyncio.gather(
        *(host.accept(f"s{i}", garbage[i % 10]) for i in range(20)), return_exceptions=True
    )
    for index, outcome in enumerate(outcomes):
        if "a=ice-pwd:\x00" in garbage[index % 10]:  # Only the peers' handshake shows this one.
            assert isinstance(outcome, str)
            continue
        assert isinstance(outcome, Refusal), garbage[index % 10][:200]
        assert outcome.detail
    async with Camera() as camera:
        await camera.connect(host, "good")
        await host.require("good").capture(max_age=1.0, timeout=30.0)
    await host.aclose()
    assert {t for t in set(threading.enumerate()) - before if t.name == "video-decoder"} == set()


async def test_an_incompatible_h264_profile_is_a_clear_refusal(host: MediaHost):
    offer = await stand_in_offer()
    lines = list(offer.replace("VP8/", "H264/").splitlines())
    with pytest.raises(Refusal) as refused:
        await host.accept("s1", "\r\n".join(lines) + "\r\n")
    assert refused.value.code == "codec_unsupported"
    assert len(host) == 0


async def test_a_crash_in_one_peer_leaves_the_others(host: MediaHost, caplog):
    async with Camera() as first, Camera() as second:
        await first.connect(host, "broken")
        await second.connect(host, "good")
        broken, good = host.require("broken"), host.require("good")
        await broken.capture(max_age=1.0, timeout=30.0)
        await good.capture(max_age=1.0, timeout=30.0)

        def crash() -> None:
            raise RuntimeError("broken")

        broken.check = crash  # type: ignore[method-assign]
        await until(lambda: "could not be checked" in caplog.text)
        await good.capture(max_age=0.2, timeout=30.0)
        await host.close("broken")


async def test_an_error_while_reading_ends_that_peer_only(host: MediaHost, caplog):
    async with Camera() as first, Camera() as second:
        await first.connect(host, "broken")
        await second.connect(host, "good")
        broken, good = host.require("broken"), host.require("good")
        await broken.capture(max_age=1.0, timeout=30.0)

        def crash(image: object) -> None:
            raise RuntimeError("broken")

        broken._take = crash  # type: ignore[method-assign, assignment]
        await until(lambda: host.get("broken") is None)
        await good.capture(max_age=0.2, timeout=30.0)
        assert "reading" in caplog.text


async def test_subscribers_see_the_stream_come_and_go(host: MediaHost, caplog):
    told: list[StreamState] = []

    def fail(state: StreamState) -> None:
        raise RuntimeError("subscriber")

    host.subscribe(fail)
    unsubscribe = host.subscribe(told.append)
    async with Camera() as camera:
        await camera.connect(host, "s1")
        await host.require("s1").capture(max_age=1.0, timeout=30.0)
        assert (told[-1].width, told[-1].height) == (320, 240)
        await host.close("s1", "Because.")
    states = [state.state for state in told]
    assert states[0] == "connecting" and "connected" in states and states[-1] == "closed"
    assert told[-1].reason == "Because."
    assert {state.session_id for state in told} == {"s1"}
    unsubscribe()
    seen = len(told)
    await host.accept("s1", await stand_in_offer())
    assert len(told) == seen


async def test_strangers_have_no_stream(host: MediaHost):
    assert host.get("stranger") is None
    with pytest.raises(Refusal, match=r"not connected|disconnected"):
        host.require("stranger")
    assert await host.close("stranger") is False


async def test_a_closed_host_accepts_nothing(host: MediaHost):
    await host.accept("s1", await stand_in_offer())
    await host.aclose()
    await host.aclose()
    assert len(host) == 0
    with pytest.raises(Refusal) as refused:
        await host.accept("s1", await stand_in_offer())
    assert refused.value.code == "stream_failed"


async def test_no_candidate_of_an_offer_is_ever_contacted(host: MediaHost, monkeypatch):
    contacted: list[object] = []
    monkeypatch.setattr(
        "aioice.ice.Connection.add_remote_candidate",
        lambda self, candidate: contacted.append(candidate),
    )
    offer = await stand_in_offer()
    offer += "a=candidate:1 1 udp 2130706431 169.254.169.254 80 typ host\r\n"
    await host.accept("s1", offer)
    assert contacted == []


def test_the_receiver_has_the_private_attributes_we_replace():
    names = vars(RTCRtpReceiver)["__init__"].__code__.co_names
    assert "_RTCRtpReceiver__decoder_queue" in names
    assert "_RTCRtpReceiver__jitter_buffer" in names
