"""The ICE candidates that this side offers: their UDP ports, and the addresses in answers.

aioice has an option for neither. The ports are bound by ourselves, the addresses rewritten in the
answer's text.
"""

import asyncio
import ipaddress
import random
import socket
from typing import Final

import aiortc
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aioice.turn import UDP_SOCKET_BUFFER_SIZE

from apps.streaming.datagrams import VettingProtocol

_STUN_SECONDS: Final = 5.0  # As aioice has it.
_CANDIDATE_FIELDS: Final = 8  # Up to the type (RFC 8839 section 5.1), which is the last we need.
_LOOPBACK: Final = "127.0.0.1"


class NoPortFree(OSError):
    """Every port of ICE_PORT_RANGE is taken on this address."""


def bind_within(transceiver: aiortc.RTCRtpTransceiver, ports: tuple[int, int]) -> None:
    """Make a transceiver gather its host candidates on `ports` (first, last) only.

    Call before gathering. aioice has no such option: this replaces the method of this one
    connection that binds its sockets. `datagrams` says which aioice it was tested with.
    """
    connection = transceiver.receiver.transport.transport._connection

    async def gather(component: int, addresses: list[str]) -> list[Candidate]:
        return await _gather_within(connection, component, addresses, ports)

    connection.get_component_candidates = gather  # type: ignore[method-assign, assignment]


async def _gather_within(
    connection: Connection, component: int, addresses: list[str], ports: tuple[int, int]
) -> list[Candidate]:
    """Do what aioice's own method does, host sockets bound to the range."""
    hosts = [
        await _bind(connection, component, address, ports) for address in addresses or [_LOOPBACK]
    ]
    connection._protocols += hosts
    reflexive = _reflexive_candidates(connection, hosts)
    # Without addresses aioice only asks the TURN server, if there is one.
    relayed = Connection.get_component_candidates(connection, component, [])
    found = await asyncio.gather(reflexive, relayed)
    return [host.local_candidate for host in hosts] + found[0] + found[1]


async def _bind(
    connection: Connection, component: int, address: str, ports: tuple[int, int]
) -> StunProtocol:
    loop = asyncio.get_running_loop()
    first, last = ports
    # In random order: the camera of a stream that has just ended may still send to its port.
    for port in random.sample(range(first, last + 1), last + 1 - first):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: VettingProtocol(connection), local_addr=(address, port)
            )
        except OSError:
            continue
        # The same buffer as aioice's own sockets have.
        udp = transport.get_extra_info("socket")
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
        protocol.local_candidate = _host_candidate(component, address, port)
        return protocol
    raise NoPortFree(f"No UDP port from {first} to {last} is free on {address}.")


def _host_candidate(component: int, address: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", address),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=address,
        port=port,
        type="host",
    )


async def _reflexive_candidates(
    connection: Connection, hosts: list[StunProtocol]
) -> list[Candidate]:
    if not connection.stun_server:
        return []
    queries = [
        asyncio.wait_for(server_reflexive_candidate(host, connection.stun_server), _STUN_SECONDS)
        for host in hosts
        if ipaddress.ip_address(host.local_candidate.host).version == 4
    ]
    answers = await asyncio.gather(*queries, return_exceptions=True)
    return [answer[0] for answer in answers if isinstance(answer, tuple)]


def with_public_address(sdp: str, address: str) -> str:
    """Return an answer whose host candidates of the same IP version name `address` instead.

    For a server behind one-to-one NAT, whose own addresses mean nothing outside. The ports stay.
    An empty `address` changes nothing.
    """
    if not address:
        return sdp
    return "".join(_rewritten(line, address) for line in sdp.splitlines(keepends=True))


def _rewritten(line: str, address: str) -> str:
    if line.startswith("c=IN IP"):
        own = line.split()[2]
        return line.replace(own, address) if _same_version(own, address) else line
    fields = line.split(" ")
    if not line.startswith("a=candidate:") or len(fields) < _CANDIDATE_FIELDS:
        return line
    if fields[7].strip() != "host" or not _same_version(fields[4], address):
        return line
    fields[4] = address
    return " ".join(fields)


def _same_version(own: str, address: str) -> bool:
    return ipaddress.ip_address(own).version == ipaddress.ip_address(address).version
