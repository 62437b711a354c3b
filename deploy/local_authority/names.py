"""What browsers of a local network may call this machine."""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import ifaddr

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Names:
    """DNS names and addresses, each once; the first address is the one to tell people."""

    dns: tuple[str, ...]
    addresses: tuple[Address, ...]


def local_names() -> Names:
    """Return this machine's names: localhost, its host name with and without .local, addresses."""
    host = socket.gethostname().lower()
    short = host.partition(".")[0]
    dns = dict.fromkeys(["localhost", host, short, f"{short}.local"])
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    found = ordered(_interface_addresses(), first=_outgoing_address())
    return Names(dns=tuple(dns), addresses=tuple(dict.fromkeys([*found, *loopback])))


def ordered(addresses: Iterable[Address], *, first: Address | None) -> list[Address]:
    """Return the addresses others may reach, IPv4 before IPv6, and `first` before all.

    Link-local IPv6 addresses are left out: browsers refuse them, as they need a zone.
    """
    reachable = [each for each in addresses if not each.is_loopback and not each.is_link_local]
    return sorted(reachable, key=lambda each: (each != first, each.version, int(each)))


def _interface_addresses() -> list[Address]:
    texts = [
        address.ip if isinstance(address.ip, str) else address.ip[0]
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
    ]
    return [ipaddress.ip_address(text) for text in texts]


def _outgoing_address() -> Address | None:
    """The address by which this machine reaches others; connecting UDP sends nothing."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: routed like any other, no host.
        return ipaddress.ip_address(probe.getsockname()[0])
    return None
