"""The media path's configuration: plain values that the caller reads from the settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from apps.streaming.limits import FrameLimits


@dataclass(frozen=True)
class MediaConfig:
    """Limits and addresses of the media path. Durations are seconds.

    `public_address` (empty for none) replaces the addresses of host candidates in answers.
    `port_range` bounds the UDP ports that streams use, both ends included.
    """

    limits: FrameLimits = field(default_factory=FrameLimits)
    ice_servers: tuple[RTCIceServer, ...] = ()
    public_address: str = ""
    port_range: tuple[int, int] | None = None
    silence_seconds: float = 10.0
    connect_seconds: float = 20.0
    stall_seconds: float = 2.0
    answer_seconds: float = 10.0
    max_offer_bytes: int = 65_536

    def __post_init__(self) -> None:
        """Refuse values that cannot work, naming the setting they come from."""
        if self.public_address:
            try:
                ip_address(self.public_address)
            except ValueError:
                raise ValueError("ICE_PUBLIC_ADDRESS must be an IP address.") from None
        if self.port_range is not None:
            first, last = self.port_range
            if not 1024 <= first <= last <= 65_535:
                raise ValueError("ICE_PORT_RANGE must lie within 1024-65535, low end first.")


def parse_ice_servers(servers: Iterable[Mapping[str, Any]]) -> tuple[RTCIceServer, ...]:
    """Return the STUN and TURN servers that this side uses: the first of each, at most.

    `servers` are RTCIceServer objects as browsers take them. Raises ValueError with a sentence
    that names ICE_SERVERS.
    """
    chosen: dict[str, RTCIceServer] = {}
    for server in servers:
        for url in _urls(server):
            kind = "stun" if _scheme(url) == "stun" else "turn"
            if kind not in chosen:
                chosen[kind] = RTCIceServer(
                    urls=url,
                    username=server.get("username"),
                    credential=server.get("credential"),
                )
    return tuple(chosen.values())


def _urls(server: Mapping[str, Any]) -> Sequence[str]:
    urls = server.get("urls")
    if isinstance(urls, str):
        return [urls]
    if isinstance(urls, Sequence) and all(isinstance(url, str) for url in urls):
        return urls
    raise ValueError('ICE_SERVERS: every server needs "urls", a text or a list of texts.')


def _scheme(url: str) -> str:
    try:
        scheme = parse_stun_turn_uri(url)["scheme"]
    except ValueError:
        scheme = ""
    if scheme not in ("stun", "turn", "turns"):
        raise ValueError(f"ICE_SERVERS: {url} is not a stun:, turn: or turns: address.")
    return str(scheme)
