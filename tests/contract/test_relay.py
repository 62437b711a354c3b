"""coturn with the shipped file: it relays for who has a session, to QwenCam's address, only."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from aioice import stun
from aioice.turn import create_turn_endpoint

from apps.camera_sessions.turn_credentials import ice_servers_with_credentials
from tests.coturn import SECRET, Coturn, running_coturn


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as coturn:
        yield coturn


def session(place: str, *, secret: str = SECRET, now: float | None = None) -> dict[str, Any]:
    """Return what a camera session is told of the server at `place`."""
    servers = [{"urls": f"turn:{place}"}]
    moment = time.time() if now is None else now
    return ice_servers_with_credentials(uuid4(), servers=servers, turn_secret=secret, now=moment)[0]


async def bind(place: str, told: dict[str, Any], *, peer: str, transport: str = "udp") -> int:
    """Allocate a relay and bind a channel to a peer; return 0, or the code of the refusal."""
    host, _, port = place.rpartition(":")
    try:
        relay, _ = await create_turn_endpoint(
            asyncio.DatagramProtocol,
            server_addr=(host, int(port)),
            username=told["username"],
            password=told["credential"],
            transport=transport,
        )
    except stun.TransactionFailed as refusal:
        return int(refusal.response.attributes["ERROR-CODE"][0])
    try:
        await relay._TurnTransport__inner_protocol.channel_bind(0x4000, (peer, 40000))
    except stun.TransactionFailed as refusal:
        return int(refusal.response.attributes["ERROR-CODE"][0])
    finally:
        relay.close()
        await relay._TurnTransport__close_task
    return 0


async def test_it_relays_to_the_platform_and_nowhere_else(coturn: Coturn):
    told = session(coturn.place)
    assert await bind(coturn.place, told, peer="127.0.0.1") == 0
    for peer in ("127.0.0.2", "192.168.0.1", "10.0.0.1", "198.51.100.7", "169.254.169.254"):
        assert await bind(coturn.place, told, peer=peer) == 403, peer


async def test_it_relays_no_tcp(coturn: Coturn, monkeypatch: pytest.MonkeyPatch):
    told = session(coturn.place)
    assert await bind(coturn.place, told, peer="127.0.0.1", transport="tcp") == 0
    monkeypatch.setattr("aioice.turn.UDP_TRANSPORT", 6 << 24)  # RFC 6062: TCP to the peer, too.
    host, _, port = coturn.place.rpartition(":")
    with pytest.raises(stun.TransactionFailed):
        await create_turn_endpoint(
            asyncio.DatagramProtocol,
            server_addr=(host, int(port)),
            username=told["username"],
            password=told["credential"],
            transport="tcp",
        )


async def test_it_relays_for_sessions_only(coturn: Coturn):
    stranger = session(coturn.place, secret="a-guess")
    assert await bind(coturn.place, stranger, peer="127.0.0.1") == 401
    expired = session(coturn.place, now=time.time() - 13 * 3600)
    assert await bind(coturn.place, expired, peer="127.0.0.1") == 401


def test_it_answers_over_tls_where_udp_is_blocked(coturn: Coturn):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    host, _, port = coturn.tls_place.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=60) as raw,
        context.wrap_socket(raw) as secure,
    ):
        here = secure.getsockname()
        secure.sendall(bytes(request))
        response = stun.parse_message(secure.recv(2048))
    assert response.transaction_id == request.transaction_id
    assert response.attributes["XOR-MAPPED-ADDRESS"] == here
