"""Filters the datagrams that arrive at a stream's UDP port before they reach aioice and aiortc.

Anybody may send to that port. aiortc's receive loop ends, and the stream with it, on an empty
datagram and on one of more than 1,500 bytes that looks like RTP. aioice passes everything that is
no STUN message on to it, from any sender, through an unbounded queue.

Here a datagram is classified by its first byte (RFC 7983 section 7) and its length. STUN goes on to
aioice, which checks its credentials. DTLS and SRTP are taken only from where a STUN check came that
had the credentials of this stream (RFC 8445 section 7.3): candidates in offers are removed, so no
other address is known.

This replaces a class of aioice's and reads private attributes of its connection, so it is tied to
the versions that it was tested with.
"""

from collections.abc import Awaitable
from enum import Enum
from typing import Any, Final, Literal, get_args

import aioice
import aioice.ice
from aioice.stun import COOKIE, HEADER_LENGTH, parse_message
from aiortc import RTCDtlsTransport

from apps.streaming import metrics

TESTED_AIOICE: Final = ("0.13.0",)

MAX_BYTES: Final = 1500
"""An Ethernet frame's payload, and what libsrtp's buffer takes. Browsers send 1,200 at most."""

MIN_DTLS_BYTES: Final = 13
"""A record's header (RFC 6347 section 4.1)."""

MIN_SRTP_BYTES: Final = 12
"""RTP's header (RFC 3550 section 5.1), and less than any SRTCP packet."""

MAX_SOURCES: Final = 64
"""Addresses from which checks with the right credentials may come. A phone between two networks has
a handful; each costs memory and checks of our own."""

MAX_QUEUED: Final = 1024
"""Datagrams that may wait for aiortc: half a second of a fast stream."""

_COOKIE: Final = COOKIE.to_bytes(4, "big")

Address = tuple[Any, ...]


class Kind(Enum):
    """What a datagram is for: ICE's checks, or what goes over the path they found."""

    STUN = "stun"
    MEDIA = "media"  # DTLS, SRTP, SRTCP


def kind_of(datagram: bytes) -> Kind | None:
    """Return what a datagram is by its first byte and length; None: nothing that we take."""
    size = len(datagram)
    if not 0 < size <= MAX_BYTES:
        return None
    first = datagram[0]
    if first < 4:
        is_stun = size >= HEADER_LENGTH and datagram[4:8] == _COOKIE
        return Kind.STUN if is_stun else None
    if 20 <= first < 64:
        return Kind.MEDIA if size >= MIN_DTLS_BYTES else None
    if 128 <= first < 192:
        return Kind.MEDIA if size >= MIN_SRTP_BYTES else None
    return None


class VettingProtocol(aioice.ice.StunProtocol):
    """aioice's receiver of datagrams behind this filter."""

    def datagram_received(self, data: bytes, addr: Address) -> None:  # type: ignore[override]
        """Hand on what passes; count the rest. Raises nothing."""
        match kind_of(data):
            case Kind.MEDIA:
                self._take_media(data, addr)
            case Kind.STUN:
                self._take_stun(data, addr)
            case None:
                _drop("malformed")

    def _take_stun(self, data: bytes, addr: Address) -> None:
        sources = self.receiver._remote_candidates
        if len(sources) >= MAX_SOURCES and not self._is_checked(addr):
            _drop("too_many_sources")
            return
        try:
            # Parsed here first: what aioice's parser refuses it would take for media.
            parse_message(data)
            super().datagram_received(data, addr)
        except Exception:
            # Not only ValueError: aioice trips over attributes that are cut short or missing.
            _drop("malformed")

    def _take_media(self, data: bytes, addr: Address) -> None:
        if not self._is_checked(addr):
            _drop("unknown_source")
        elif self.receiver._queue.qsize() >= MAX_QUEUED:
            _drop("queue_full")
        else:
            self.receiver.data_received(data, self.local_candidate.component)

    def _is_checked(self, addr: Address) -> bool:
        """Return whether a check with the right credentials came from this address."""
        host, port = addr[0], addr[1]  # IPv6 has two fields more.
        # Each packet comes by here, and a generator would cost as much as all the rest.
        for source in self.receiver._remote_candidates:
            if source.port == port and source._network_host == host:
                return True
        return False


DropReason = Literal["malformed", "unknown_source", "queue_full", "too_many_sources", "unreadable"]

# Looked up once: in a flood that costs more than all else that is done with a datagram.
_DROPS: Final = {
    reason: metrics.DATAGRAMS_DROPPED.labels(reason) for reason in get_args(DropReason)
}


def _drop(reason: DropReason) -> None:
    _DROPS[reason].inc()


def require_tested_aioice() -> None:
    """Raise RuntimeError when the installed aioice was not tested with what is replaced of it.

    Without it a stranger could end anybody's stream, and a port range would not be kept.
    """
    if aioice.__version__ not in TESTED_AIOICE:
        raise RuntimeError(
            f"Streams need aioice {' or '.join(TESTED_AIOICE)}, not {aioice.__version__}."
        )


def install() -> None:
    """Make every ICE connection of this process receive by `VettingProtocol`.

    aioice looks its class up by this name for every socket. Raises RuntimeError with an aioice that
    this was not tested with.
    """
    require_tested_aioice()
    aioice.ice.StunProtocol = VettingProtocol  # type: ignore[misc]


def shield(transport: RTCDtlsTransport) -> None:
    """Let a packet that aiortc can't handle be dropped, where it would end the receive loop.

    Such packets come from the camera itself, whose keys they were made with.
    """

    # The class's methods, looked up for each packet: the benchmark replaces them for a while.
    async def handle_rtp(data: bytes, arrival_time_ms: int) -> None:
        await _or_drop(RTCDtlsTransport._handle_rtp_data(transport, data, arrival_time_ms))

    async def handle_rtcp(data: bytes) -> None:
        await _or_drop(RTCDtlsTransport._handle_rtcp_data(transport, data))

    transport._handle_rtp_data = handle_rtp  # type: ignore[method-assign]
    transport._handle_rtcp_data = handle_rtcp  # type: ignore[method-assign]


async def _or_drop(handling: Awaitable[None]) -> None:
    try:
        await handling
    except ConnectionError:
        raise  # How aiortc says that the connection is lost.
    except Exception:
        _drop("unreadable")
