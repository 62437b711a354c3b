"""STUN and TURN servers asked at the wire: a datagram endpoint that answers as told.

A real coturn is asked in tests/e2e/test_doctor.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aioice import stun

from apps.streaming.ice_server_probe import IceServerUrl, ProbeFailed, probe_stun, probe_turn

Answer = Callable[[stun.Message, tuple[str, int]], stun.Message | None]


class Server(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[stun.Message] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        self.seen.append(request)
        reply = self.answer(request, addr)
        self.transport.sendto(b"\x00\xffgarbage", addr)
        if reply is not None:
            self.transport.sendto(bytes(reply), addr)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[str, Server]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: Server(answer), local_addr=("127.0.0.1", 0)
    )
    yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}", server
    transport.close()


def respond(request: stun.Message, kind: stun.Class, **attributes) -> stun.Message:
    reply = stun.Message(request.message_method, kind, transaction_id=request.transaction_id)
    for name, value in attributes.items():
        reply.attributes[name.replace("_", "-")] = value
    return reply


def bound(request: stun.Message, addr: tuple[str, int]) -> stun.Message:
    return respond(request, stun.Class.RESPONSE, XOR_MAPPED_ADDRESS=addr)


async def test_stun_tells_where_we_are():
    async with serving(bound) as (place, server):
        host, port = await probe_stun(f"stun:{place}", timeout=5)
    assert host == "127.0.0.1"
    assert port > 0
    assert server.seen[0].message_method == stun.Method.BINDING


async def test_a_silent_server():
    async with serving(lambda *_: None) as (place, _):
        with pytest.raises(ProbeFailed) as failure:
            await probe_stun(f"stun:{place}", timeout=0.2)
        assert failure.value.code == "silent"
        with pytest.raises(ProbeFailed) as failure:
            await probe_turn(f"turn:{place}", username="u", credential="c", timeout=0.2)
        assert failure.value.code == "silent"


@pytest.mark.parametrize(("number", "words"), [(401, "credentials"), (486, "error 486")])
async def test_a_server_that_refuses(number, words):
    def refuse(request, addr):
        return respond(request, stun.Class.ERROR, ERROR_CODE=(number, "No"), NONCE=b"n", REALM="r")

    async with serving(refuse) as (place, server):
        with pytest.raises(ProbeFailed, match=words) as failure:
            await probe_turn(f"turn:{place}", username="u", credential="c", timeout=5)
    assert failure.value.code == "refused"
    assert "USERNAME" in server.seen[-1].attributes or number != 401


async def test_an_allocation_is_given_back():
    def relay(request, addr):
        if request.message_method == stun.Method.ALLOCATE:
            return respond(
                request,
                stun.Class.RESPONSE,
                LIFETIME=60,
                XOR_MAPPED_ADDRESS=addr,
                XOR_RELAYED_ADDRESS=("192.0.2.9", 50_000),
            )
        return respond(request, stun.Class.RESPONSE, LIFETIME=0)

    async with serving(relay) as (place, server):
        where = await probe_turn(f"turn:{place}", username="u", credential="c", timeout=5)
    assert where == ("192.0.2.9", 50_000)
    assert server.seen[-1].message_method == stun.Method.REFRESH
    assert server.seen[-1].attributes["LIFETIME"] == 0


@pytest.mark.parametrize("url", ["", "turn:", "stun:a?transport=udp", "https://a"])
def test_what_is_no_address(url):
    with pytest.raises(ProbeFailed) as failure:
        IceServerUrl.parse(url)
    assert failure.value.code == "address"


def test_defaults_of_an_address():
    assert IceServerUrl.parse("turns:a") == IceServerUrl(
        scheme="turns", host="a", port=5349, transport="tcp"
    )
    assert IceServerUrl.parse("stun:a").port == 3478


async def test_a_name_without_an_address():
    with pytest.raises(ProbeFailed) as failure:
        await probe_stun("stun:no-such-host.invalid", timeout=5)
    assert failure.value.code == "address"
