"""Tries a STUN or TURN server as a browser would use it; nothing is left behind on the server.

Only for checks: streams use the ICE servers through aioice.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, cast

from aioice import stun
from aioice.turn import create_turn_endpoint
from aiortc.rtcicetransport import parse_stun_turn_uri

Address = tuple[str, int]
_LIFETIME_SECONDS: Final = 60
_RELEASE_SECONDS: Final = 0.5
_UNAUTHORIZED: Final = 401


class ProbeFailed(Exception):
    """The server can't be used; `code` says how, the text is for people."""

    def __init__(self, code: Literal["address", "silent", "refused"], detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class IceServerUrl:
    """A parsed `stun:`, `turn:` or `turns:` URL."""

    scheme: str
    host: str
    port: int
    transport: str

    @classmethod
    def parse(cls, url: str) -> "IceServerUrl":
        """Return the parts of `url`; `ProbeFailed` (address) where it is none."""
        try:
            parts = parse_stun_turn_uri(url)
        except ValueError as error:
            raise ProbeFailed("address", f"{url} is no stun:, turn: or turns: address.") from error
        return cls(
            scheme=parts["scheme"],
            host=parts["host"],
            port=parts["port"],
            transport=parts.get("transport") or "udp",
        )


async def probe_stun(url: str, *, timeout: float) -> Address:
    """Send a binding request to a STUN or TURN server; return the address it sees us at.

    Raises:
        ProbeFailed: it has no address, or does not answer within `timeout` seconds.
    """
    server = IceServerUrl.parse(url)
    try:
        async with asyncio.timeout(timeout):
            return await _send_binding_request(await _resolve(server))
    except (TimeoutError, OSError, stun.TransactionError) as error:
        raise ProbeFailed("silent", f"No answer over UDP within {timeout:g} s.") from error


async def probe_turn(url: str, *, username: str, credential: str, timeout: float) -> Address:
    """Make an allocation on a TURN server and release it; return the address it would relay at.

    Raises:
        ProbeFailed: it has no address, is silent, or refuses the credentials.
    """
    server = IceServerUrl.parse(url)
    try:
        async with asyncio.timeout(timeout):
            return await _open_allocation(server, username=username, credential=credential)
    except stun.TransactionFailed as error:
        code = error.response.error_code
        reason = "the credentials" if code == _UNAUTHORIZED else f"to relay (error {code})"
        raise ProbeFailed("refused", f"It refuses {reason}.") from error
    except (TimeoutError, OSError, stun.TransactionError) as error:
        raise ProbeFailed("silent", f"No answer within {timeout:g} s.") from error


async def _resolve(server: IceServerUrl) -> Address:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ProbeFailed("address", f"{server.host} has no address.") from error
    return cast("Address", found[0][4][:2])


class _StunProtocol(asyncio.DatagramProtocol):
    """One STUN transaction at a time over a connected socket."""

    transport: asyncio.DatagramTransport
    transaction: stun.Transaction | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        self.transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if self.transaction is not None:
            self.transaction.response_received(message, addr)


async def _send_binding_request(server: Address) -> Address:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(_StunProtocol, remote_addr=server)
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    try:
        client.transaction = stun.Transaction(request, server, client)
        response, _ = await client.transaction.run()
    finally:
        transport.close()
    return cast("Address", response.attributes["XOR-MAPPED-ADDRESS"])


class _AllocationProtocol(asyncio.DatagramProtocol):
    """Receives nothing; `released` is set once the allocation has been given up."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.released.set()


async def _open_allocation(server: IceServerUrl, *, username: str, credential: str) -> Address:
    await _resolve(server)  # Below, a name without an address would look like a silent server.
    transport, allocation = await create_turn_endpoint(
        _AllocationProtocol,
        (server.host, server.port),
        username=username,
        password=credential,
        lifetime=_LIFETIME_SECONDS,
        ssl=server.scheme == "turns" or None,
        transport=server.transport,
    )
    try:
        return cast("Address", transport.get_extra_info("sockname"))
    finally:
        transport.close()
        # Otherwise the loop ends before the release is sent, and the server keeps the port.
        with suppress(TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await allocation.released.wait()
