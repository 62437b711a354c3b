"""Strangers at a stream's UDP port.

Seen: one datagram from anywhere, empty or of 1,501 bytes that look like RTP, ended the stream.

Guards: 10,000 hostile datagrams at each stage of a connection change nothing; nothing that is not
vetted waits in a queue; what the camera itself sends amiss is dropped; each drop is counted, none
is logged.
"""

import asyncio
import gc
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from aioice import stun
from aioice.ice import Connection
from aiortc import RTCDtlsTransport
from prometheus_client import REGISTRY

from apps.streaming import datagrams
from apps.streaming.config import MediaConfig
from apps.streaming.datagrams import Kind, kind_of
from apps.streaming.host import MediaHost
from tests.unit.streaming import hostile
from tests.unit.streaming.camera import Camera, until

COUNT = 10_000
STUN_HEADER = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
PATIENT = MediaConfig(
    silence_seconds=60.0, stall_seconds=60.0, connect_seconds=60.0, answer_seconds=60.0
)


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (b"", None),
        (b"\x80", None),
        (STUN_HEADER, Kind.STUN),
        (STUN_HEADER[:-1], None),
        (b"\x03" + STUN_HEADER[1:], Kind.STUN),
        (b"\x04" + STUN_HEADER[1:], None),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x43" + bytes(12), None),  # no cookie
        (b"\x13" + bytes(30), None),
        (b"\x14" + bytes(12), Kind.MEDIA),
        (b"\x14" + bytes(11), None),
        (b"\x3f" + bytes(12), Kind.MEDIA),
        (b"\x40" + bytes(12), None),  # TURN's channel data
        (b"\x7f" + bytes(30), None),
        (b"\x80" + bytes(11), Kind.MEDIA),
        (b"\x80" + bytes(10), None),
        (b"\xbf" + bytes(1499), Kind.MEDIA),
        (b"\xbf" + bytes(1500), None),
        (b"\x16" + bytes(1500), None),
        (STUN_HEADER + bytes(1481), None),
        (b"\xc0" + bytes(30), None),
    ],
)
def test_datagrams_are_told_by_first_byte_and_length(datagram: bytes, kind: Kind | None):
    assert kind_of(datagram) is kind


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("qwencam_datagrams_dropped_total", {"reason": reason}) or 0.0


class World:
    """A camera, the host it sends to, and what went wrong in the event loop."""

    def __init__(self) -> None:
        self.host = MediaHost(PATIENT)
        self.camera = Camera()
        self.failures: list[dict[str, Any]] = []
        self.stages: set[tuple[str, str]] = set()
        self._stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    @property
    def dtls(self) -> Any:
        """aiortc's DTLS transport at the host."""
        (transceiver,) = self.host.require("s")._connection.getTransceivers()
        return transceiver.receiver.transport

    @property
    def ice(self) -> Any:
        """aioice's connection at the host."""
        return self.dtls.transport._connection

    async def spray(self, seed: int, *, real: list[bytes] | None = None) -> None:
        """Send hostile datagrams to every port of the host, from an address of no camera.

        The states of ICE and DTLS that they meet are noted in `stages`.
        """
        dtls = self.dtls
        await self.spray_ports(
            dtls.transport._connection,
            seed,
            real=real,
            note=lambda: self.stages.add((dtls.transport.state, dtls.state)),
        )

    async def spray_ports(
        self,
        ice: Connection,
        seed: int,
        *,
        real: list[bytes] | None = None,
        note: Callable[[], object] = lambda: None,
    ) -> None:
        """Send hostile datagrams to the ports of one connection; `note` after each."""
        addresses = [c for c in ice.local_candidates if ":" not in c.host]
        assert addresses
        for number, datagram in enumerate(hostile.datagrams(seed, COUNT, real=real or ())):
            candidate = addresses[number % len(addresses)]
            with suppress(OSError):  # Its port may have closed meanwhile.
                self._stranger.sendto(datagram, (candidate.host, candidate.port))
            await asyncio.sleep(0)  # asyncio reads one datagram of a socket in each turn.
            note()

    async def assert_streaming(self) -> None:
        """The stream goes on: three further frames come."""
        peer = self.host.require("s")
        await until(lambda: peer.state == "connected")
        seen = peer.stats.frames_in
        await until(lambda: peer.stats.frames_in >= seen + 3)
        assert peer.lost is None

    async def aclose(self) -> None:
        self._stranger.close()
        await self.camera.__aexit__()
        await self.host.aclose()


@pytest.fixture
async def world(caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    """Nothing may be logged as a warning or an error, whatever a stranger sends."""
    world = World()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: world.failures.append(context))
    yield world
    await world.aclose()
    gc.collect()  # A task that failed is complained of when it goes.
    await asyncio.sleep(0)
    assert world.failures == []
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_when_ports_are_bound_and_nobody_knows_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    offer = await world.camera.offer()
    gather = Connection.gather_candidates
    found: list[Connection] = []

    async def gather_and_wait(ice: Connection) -> None:
        await gather(ice)
        found.append(ice)
        await world.spray_ports(ice, 6)
        assert ice._queue.empty()

    before = dropped("malformed") + dropped("unknown_source")
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "gather_candidates", gather_and_wait)
        answer = await world.host.accept("s", offer)
    assert found == [world.ice]
    assert dropped("malformed") + dropped("unknown_source") > before + COUNT // 2
    await world.camera.take_answer(answer)
    await world.assert_streaming()


async def test_before_the_camera_has_its_answer(world: World):
    answer = await world.host.accept("s", await world.camera.offer())
    await world.spray(1)
    assert world.ice._queue.qsize() == 0
    await world.camera.take_answer(answer)
    await world.assert_streaming()


async def test_while_the_connection_comes_up(world: World):
    answer = await world.host.accept("s", await world.camera.offer())
    coming_up = asyncio.create_task(world.camera.take_answer(answer))
    for seed in range(20, 40):
        await world.spray(seed)
        if world.dtls.state == "connected":
            break
    await coming_up
    await world.assert_streaming()
    # They met all of it: ICE's checks, the DTLS handshake, and the time after.
    handshake = {("checking", "new"), ("completed", "connecting"), ("completed", "connected")}
    assert handshake <= world.stages


async def test_while_the_camera_owes_its_part_of_the_handshake(world: World):
    answer = await world.host.accept("s", await world.camera.offer())
    (sender,) = world.camera.connection.getSenders()
    camera_ice = sender.transport.transport
    send, held = camera_ice._send, []

    async def hold(data: bytes) -> None:
        held.append(data)

    camera_ice._send = hold
    await world.camera.take_answer(answer)
    await until(lambda: held)
    await world.spray(7)
    assert world.stages == {("completed", "connecting")}
    camera_ice._send = send
    for data in held:
        await send(data)
    await world.assert_streaming()


async def test_while_frames_come(world: World):
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    before = {reason: dropped(reason) for reason in ("malformed", "unknown_source")}
    real = await real_datagrams(world)
    await world.spray(3, real=real)
    await world.assert_streaming()
    taken = {reason: dropped(reason) - count for reason, count in before.items()}
    assert all(taken.values())
    assert sum(taken.values()) > 0.8 * COUNT  # They did arrive; STUN has answers of its own.
    assert world.ice._queue.qsize() < 50


async def test_from_the_cameras_own_address(world: World):
    """Somebody who can forge the camera's address knows its keys no better."""
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    real = await real_datagrams(world)
    (pair,) = world.ice._nominated.values()
    for number, datagram in enumerate(hostile.datagrams(4, COUNT, real=real)):
        pair.protocol.datagram_received(datagram, pair.remote_addr)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await world.assert_streaming()


async def test_while_it_closes(world: World):
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    spraying = asyncio.create_task(world.spray(5))
    await asyncio.sleep(0.01)
    await world.host.close("s")
    await spraying
    assert len(world.host) == 0
    assert {("completed", "connected"), ("closed", "closed")} <= world.stages


async def real_datagrams(world: World, *, count: int = 40) -> list[bytes]:
    """Return what the camera sends: SRTP, SRTCP and ICE's checks."""
    (pair,) = world.ice._nominated.values()
    heard: list[bytes] = []
    take = pair.protocol.datagram_received

    def listen(data: bytes, addr: Any) -> None:
        heard.append(data)
        take(data, addr)

    pair.protocol.datagram_received = listen
    await until(lambda: len(heard) >= count)
    del pair.protocol.datagram_received
    check = world.ice.build_request(pair, nominate=False)
    check.add_message_integrity(b"not the password")
    return [*heard, bytes(check)]


async def test_media_that_nobody_reads_does_not_pile_up(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(datagrams, "MAX_QUEUED", 5)
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    ice = world.ice
    (pair,) = ice._nominated.values()
    before = dropped("queue_full")
    for _ in range(20):  # At once, so that aiortc reads none of them in between.
        pair.protocol.datagram_received(b"\x80" + bytes(40), pair.remote_addr)
    assert ice._queue.qsize() <= 5
    assert dropped("queue_full") >= before + 15
    await world.assert_streaming()


async def test_a_camera_has_so_many_addresses(world: World, monkeypatch: pytest.MonkeyPatch):
    """Whoever has the credentials could grow the list of checks without end."""
    monkeypatch.setattr(datagrams, "MAX_SOURCES", 3)
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    ice = world.ice
    (pair,) = ice._nominated.values()
    before = dropped("too_many_sources")
    for port in range(50_000, 50_020):
        pair.protocol.datagram_received(check_of(ice), ("127.0.0.1", port))
    assert len(ice._remote_candidates) == 3
    assert dropped("too_many_sources") == before + 20 - 2
    pair.protocol.datagram_received(check_of(ice), pair.remote_addr)  # The camera's own still pass.
    assert dropped("too_many_sources") == before + 18
    await world.assert_streaming()


def check_of(ice: Any, *, priority: bool = True) -> bytes:
    """Return a check with the credentials of the stream, as its camera sends them."""
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{ice.local_username}:{ice.remote_username}"
    if priority:
        check.attributes["PRIORITY"] = 1
    check.add_message_integrity(ice.local_password.encode())
    return bytes(check)


async def test_a_check_that_lacks_an_attribute_is_dropped(world: World):
    """With the right credentials, so that aioice looks for what is not there."""
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    (pair,) = world.ice._nominated.values()
    before = dropped("malformed")
    check = check_of(world.ice, priority=False)
    pair.protocol.datagram_received(check, ("127.0.0.1", 50_001))
    assert dropped("malformed") == before + 1
    await world.assert_streaming()


async def test_a_packet_that_aiortc_fails_on_is_dropped(world: World):
    """Sent by the camera itself, so that it is authentic."""
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    (sender,) = world.camera.connection.getSenders()
    before = dropped("unreadable")
    for packet in (too_short_an_extension(world.camera), too_short_a_remb()):
        await sender.transport._send_rtp(packet)
    await until(lambda: dropped("unreadable") == before + 2)
    await world.assert_streaming()


def too_short_an_extension(camera: Camera) -> bytes:
    """Return an RTP packet whose abs-send-time has one byte of three: struct.error."""
    (line,) = [line for line in camera.answer.splitlines() if line.endswith("/abs-send-time")]
    number = int(line.removeprefix("a=extmap:").split()[0])
    extension = bytes([number << 4, 0, 0, 0])
    return struct.pack("!BBHIIHH", 0x90, 97, 1, 1, 99, 0xBEDE, 1) + extension


def too_short_a_remb() -> bytes:
    """Return an RTCP bitrate message that names five sources and has none: struct.error."""
    return struct.pack("!BBHII", 0x8F, 206, 4, 99, 0) + b"REMB" + bytes([5, 0, 0, 1])


async def test_a_replaced_method_of_aiortc_is_still_called(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The benchmark loses and swaps packets so, on a stream that is connected already."""
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    lost: list[bytes] = []

    async def lose(self: RTCDtlsTransport, data: bytes, arrival_time_ms: int) -> None:
        lost.append(data)

    with monkeypatch.context() as patch:
        patch.setattr(RTCDtlsTransport, "_handle_rtp_data", lose)
        await until(lambda: lost)
    await world.assert_streaming()


def test_an_untested_aioice_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(datagrams, "TESTED_AIOICE", ())
    with pytest.raises(RuntimeError, match=r"Streams need aioice .*, not 0\.13\.0\."):
        MediaHost(MediaConfig())


async def test_a_port_range_is_vetted_too():
    host = MediaHost(replace(PATIENT, port_range=(42_320, 42_329)))
    try:
        async with Camera() as camera:
            await camera.connect(host, "s")
            (transceiver,) = host.require("s")._connection.getTransceivers()
            protocols = transceiver.receiver.transport.transport._connection._protocols
            assert protocols
            assert {type(protocol) for protocol in protocols} == {datagrams.VettingProtocol}
    finally:
        await host.aclose()


async def test_a_relayed_port_is_vetted_too(monkeypatch: pytest.MonkeyPatch):
    """And a host's own without a range: aioice makes both by the name that we replace."""
    MediaHost(PATIENT)
    relayed: list[object] = []

    async def endpoint(protocol_factory: Callable[[], object], **_: object) -> None:
        relayed.append(protocol_factory())
        raise ConnectionError

    monkeypatch.setattr("aioice.turn.create_turn_endpoint", endpoint)
    ice = Connection(ice_controlling=False, turn_server=("192.0.2.2", 3478))
    await ice.get_component_candidates(1, ["127.0.0.1"])
    assert [type(port) for port in [*ice._protocols, *relayed]] == [datagrams.VettingProtocol] * 2
    await ice.close()


async def test_an_ipv6_address_has_two_fields_more(world: World):
    await world.camera.connect(world.host, "s")
    await world.assert_streaming()
    (pair,) = world.ice._nominated.values()
    address = ("2001:db8::7", 50_000, 0, 0)
    before = dropped("unknown_source")
    pair.protocol.datagram_received(b"\x80" + bytes(40), address)
    assert dropped("unknown_source") == before + 1
    pair.protocol.datagram_received(check_of(world.ice), address)
    pair.protocol.datagram_received(b"\x80" + bytes(40), address)
    assert dropped("unknown_source") == before + 1
    await world.assert_streaming()
