"""Do STUN and TURN servers work? Asks them as a browser would, and leaves nothing behind."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, cast

from aioice import stun
from aioice.turn import create_turn_endpoint
from aiortc.rtcicetransport import parse_stun_turn_uri

Address = tuple[str, int]
_ALLOCATION_SECONDS: Final = 60
_GOODBYE_SECONDS: Final = 0.5
_REFUSED: Final = 401


class RelayFailed(Exception):
    """The server can't be used; `code` says how, the text is for people."""

    def __init__(self, code: Literal["address", "silent", "refused"], detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class RelayUrl:
    """A parsed `stun:`, `turn:` or `turns:` URL."""

    scheme: str
    host: str
    port: int
    transport: str

    @classmethod
    def parse(cls, url: str) -> "RelayUrl":
        """Return the parts of `url`; `RelayFailed` (address) where it is none."""
        try:
            parts = parse_stun_turn_uri(url)
        except ValueError as error:
            raise RelayFailed("address", f"{url} is no stun:, turn: or turns: address.") from error
        return cls(
            scheme=parts["scheme"],
            host=parts["host"],
            port=parts["port"],
            transport=parts.get("transport") or "udp",
        )


async def ask_stun(url: str, *, patience: float) -> Address:
    """Send a binding request to a STUN or TURN server; return the address it sees us at.

    Raises:
        RelayFailed: it has no address, or does not answer within `patience` seconds.
    """
    where = RelayUrl.parse(url)
    try:
        async with asyncio.timeout(patience):
            return await _bind(await _address(where))
    except (TimeoutError, OSError, stun.TransactionError) as error:
        raise RelayFailed("silent", f"No answer over UDP within {patience:g} s.") from error


async def allocate(url: str, *, username: str, credential: str, patience: float) -> Address:
    """Have a TURN server relay for a moment; return the address that it would relay at.

    Raises:
        RelayFailed: it has no address, is silent, or refuses the credentials.
    """
    where = RelayUrl.parse(url)
    try:
        async with asyncio.timeout(patience):
            return await _allocate(where, username=username, credential=credential)
    except stun.TransactionFailed as error:
        code = error.response.error_code
        reason = "the credentials" if code == _REFUSED else f"to relay (error {code})"
        raise RelayFailed("refused", f"It refuses {reason}.") from error
    except (TimeoutError, OSError, stun.TransactionError) as error:
        raise RelayFailed("silent", f"No answer within {patience:g} s.") from error


async def _address(where: RelayUrl) -> Address:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise RelayFailed("address", f"{where.host} has no address.") from error
    return cast("Address", found[0][4][:2])


class _Asking(asyncio.DatagramProtocol):
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


async def _bind(server: Address) -> Address:
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_datagram_endpoint(_Asking, remote_addr=server)
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    try:
        asking.transaction = stun.Transaction(request, server, asking)
        response, _ = await asking.transaction.run()
    finally:
        transport.close()
    return cast("Address", response.attributes["XOR-MAPPED-ADDRESS"])


class _Relayed(asyncio.DatagramProtocol):
    """Hears nothing; tells when the allocation has been given back."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


async def _allocate(where: RelayUrl, *, username: str, credential: str) -> Address:
    await _address(where)  # For its error: what follows does not tell a name from silence.
    transport, relayed = await create_turn_endpoint(
        _Relayed,
        (where.host, where.port),
        username=username,
        password=credential,
        lifetime=_ALLOCATION_SECONDS,
        ssl=where.scheme == "turns" or None,
        transport=where.transport,
    )
    try:
        return cast("Address", transport.get_extra_info("sockname"))
    finally:
        transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await relayed.gone.wait()
