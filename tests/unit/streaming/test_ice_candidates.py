"""Ports and addresses of streams.

Guards: a firewall's port range is kept, and exhausted loudly; behind NAT the answer names the
public address and nothing else changes.
"""

import socket

import pytest

from apps.contract import Refusal
from apps.streaming.config import MediaConfig
from apps.streaming.host import MediaHost
from apps.streaming.ice_candidates import with_public_address
from tests.unit.streaming.camera import Camera, until

ANSWER = (
    "v=0\r\nm=video 40007 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 10.0.0.5\r\na=mid:0\r\n"
    "a=candidate:aa 1 udp 2130706431 10.0.0.5 40007 typ host\r\n"
    "a=candidate:bb 1 udp 2130706431 fd00::5 40008 typ host\r\n"
    "a=candidate:cc 1 udp 1694498815 203.0.113.9 40007 typ srflx raddr 10.0.0.5 rport 40007\r\n"
)


def candidates(sdp: str) -> list[list[str]]:
    return [line.split() for line in sdp.splitlines() if line.startswith("a=candidate:")]


def test_host_candidates_name_the_public_address():
    rewritten = with_public_address(ANSWER, "198.51.100.7")
    assert [(fields[4], fields[5]) for fields in candidates(rewritten)] == [
        ("198.51.100.7", "40007"),
        ("fd00::5", "40008"),
        ("203.0.113.9", "40007"),
    ]
    assert "c=IN IP4 198.51.100.7\r\n" in rewritten
    assert "raddr 10.0.0.5" in rewritten
    assert len(rewritten.splitlines()) == len(ANSWER.splitlines())


def test_a_public_ipv6_address_leaves_ipv4_alone():
    rewritten = with_public_address(ANSWER, "2001:db8::7")
    assert [fields[4] for fields in candidates(rewritten)][:2] == ["10.0.0.5", "2001:db8::7"]


def test_no_public_address_changes_nothing():
    assert with_public_address(ANSWER, "") == ANSWER


async def test_streams_stay_within_their_ports():
    host = MediaHost(MediaConfig(port_range=(42_310, 42_319)))
    try:
        async with Camera() as camera:
            await camera.connect(host, "s1")
            ports = {int(fields[5]) for fields in candidates(camera.answer)}
            assert ports
            assert ports <= set(range(42_310, 42_320))
            await until(lambda: host.require("s1").state == "connected")
    finally:
        await host.aclose()


async def test_an_exhausted_range_is_a_clear_refusal(monkeypatch: pytest.MonkeyPatch):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("0.0.0.0", 0))
    taken = probe.getsockname()[1]
    host = MediaHost(MediaConfig(port_range=(taken, taken)))
    try:
        async with Camera() as camera:
            with pytest.raises(Refusal) as refused:
                await host.accept("s1", await camera.offer())
        assert refused.value.code == "stream_failed"
        assert len(host) == 0
        # That port was what it lacked: it is enough for one address.
        probe.close()
        monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])
        async with Camera() as camera:
            await camera.connect(host, "s1")
            assert {int(fields[5]) for fields in candidates(camera.answer)} == {taken}
            await until(lambda: host.require("s1").state == "connected")
    finally:
        probe.close()
        await host.aclose()
