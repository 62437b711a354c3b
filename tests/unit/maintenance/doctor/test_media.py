"""The way of camera streams: relays, ports, the public address."""

import socket

import pytest

from apps.maintenance.doctor import media as doctor
from apps.maintenance.doctor.media import (
    check_ports,
    check_public_address,
    check_relay,
    judge_ports,
    relay_checks,
)


def test_no_servers_is_told():
    (check,) = relay_checks([], turn_secret="", timeout=1)
    assert check.run().status == "skipped"


def test_a_check_for_each_url():
    servers = [{"urls": ["stun:a", "turn:b"]}, {"urls": "turns:c"}]
    names = [check.name for check in relay_checks(servers, turn_secret="s" * 20, timeout=1)]
    assert names == ["stun:a", "turn:b", "turns:c"]


def test_turn_is_asked_with_what_a_browser_gets(monkeypatch):
    asked = []

    async def probe_turn(url, **credentials):
        asked.append((url, credentials))
        return "192.0.2.1", 50_000

    monkeypatch.setattr(doctor, "probe_turn", probe_turn)
    (check,) = relay_checks([{"urls": "turn:b"}], turn_secret="s" * 20, timeout=1.5)
    assert check.run().found == "relays at 192.0.2.1:50000"
    ((url, credentials),) = asked
    assert url == "turn:b"
    assert credentials["timeout"] == 1.5
    assert int(credentials["username"].partition(":")[0]) > 0
    assert credentials["credential"]


def test_turn_without_credentials():
    finding = check_relay("turn:b", server={"urls": "turn:b"}, timeout=1)
    assert finding.status == "failed"
    assert "TURN_SECRET" in finding.mend


@pytest.mark.parametrize("url", ["stun:[", "turn:x:y", "http://a"])
def test_an_address_that_is_none(url):
    server = {"urls": url, "username": "u", "credential": "c"}
    finding = check_relay(url, server=server, timeout=1)
    assert finding.status == "failed"
    assert "ICE_SERVERS" in finding.mend


def test_a_server_that_is_silent():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        finding = check_relay(f"stun:127.0.0.1:{mute.getsockname()[1]}", server={}, timeout=0.2)
    assert finding.status == "failed"
    assert "0.2 s" in finding.found


def test_ports_are_really_bound():
    assert check_ports(None, sessions=1).status == "skipped"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        assert check_ports((port, port), sessions=1).status == "failed"
    assert check_ports((port, port), sessions=1).status == "ok"


@pytest.mark.parametrize("ports", [None, (40_000, 40_001)])
def test_an_untested_aioice(ports, monkeypatch):
    monkeypatch.setattr("apps.streaming.datagrams.TESTED_AIOICE", ())
    finding = check_ports(ports, sessions=1)
    assert finding.status == "failed"
    assert "aioice" in finding.found


@pytest.mark.parametrize(
    ("count", "taken", "sessions", "status"),
    [(100, 0, 100, "ok"), (99, 0, 100, "warning"), (100, 99, 100, "ok"), (100, 100, 1, "failed")],
)
def test_ports_are_enough(count, taken, sessions, status):
    assert judge_ports(count, tried=100, taken=taken, sessions=sessions).status == status


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("", "skipped"),
        ("8.8.8.8", "ok"),
        ("2a00:1450:4001::1", "ok"),
        ("10.0.0.1", "warning"),
        ("127.0.0.1", "failed"),
        ("0.0.0.0", "failed"),
        ("camera.example.org", "failed"),
    ],
)
def test_the_public_address(address, status):
    assert check_public_address(address).status == status
