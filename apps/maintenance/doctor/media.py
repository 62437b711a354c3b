"""Checks of the network for camera streams: STUN and TURN servers, ports, the public address."""

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import uuid4

from apps.camera_sessions.turn_credentials import ice_servers_with_credentials
from apps.maintenance.doctor.findings import Check, Finding, failed, ok, skipped, warning
from apps.streaming.datagrams import require_tested_aioice
from apps.streaming.ice_server_probe import ProbeFailed, probe_stun, probe_turn

_MOST_TRIED: Final = 200  # A random sample shows whether a large range is taken.
_MEND: Final = {
    "address": "Correct the address in ICE_SERVERS.",
    "silent": "Start the server (coturn), open its port in every firewall, or correct ICE_SERVERS.",
    "refused": "Make TURN_SECRET the server's static-auth-secret (with use-auth-secret), "
    "or correct username and credential in ICE_SERVERS.",
}


def relay_checks(
    servers: Sequence[Mapping[str, Any]], *, turn_secret: str, timeout: float
) -> list[Check]:
    """A check of each URL in ICE_SERVERS, with the credentials that a browser would get."""
    with_credentials = ice_servers_with_credentials(
        uuid4(), servers=servers, turn_secret=turn_secret, now=time.time()
    )
    if not with_credentials:
        return [Check(group="Streams", name="STUN, TURN", run=_no_servers)]
    return [
        Check(
            group="Streams",
            name=url,
            run=partial(check_relay, url, server=server, timeout=timeout),
            concurrent=True,
        )
        for server in with_credentials
        for url in _urls(server)
    ]


def _no_servers() -> Finding:
    return skipped("ICE_SERVERS is empty: cameras must reach this host's UDP ports directly.")


def _urls(server: Mapping[str, Any]) -> Sequence[str]:
    urls = server["urls"]
    return [urls] if isinstance(urls, str) else urls


def check_relay(url: str, *, server: Mapping[str, Any], timeout: float) -> Finding:
    """Does the server do what browsers will ask of it?"""
    try:
        if url.startswith("turn"):
            return asyncio.run(_check_turn(url, server=server, timeout=timeout))
        host, port = asyncio.run(probe_stun(url, timeout=timeout))
    except ProbeFailed as failure:
        return failed(str(failure), mend=_MEND[failure.code])
    return ok(f"answers; sees this host at {host}:{port}")


async def _check_turn(url: str, *, server: Mapping[str, Any], timeout: float) -> Finding:
    username, credential = server.get("username"), server.get("credential")
    if not username or not credential:
        return failed(
            "There are no credentials for it.",
            mend="Set TURN_SECRET, or give username and credential in ICE_SERVERS.",
        )
    host, port = await probe_turn(url, username=username, credential=credential, timeout=timeout)
    return ok(f"relays at {host}:{port}")


def check_ports(ports: tuple[int, int] | None, *, sessions: int) -> Finding:
    """Can streams bind the UDP ports of ICE_PORT_RANGE, and are they enough for `sessions`?"""
    try:
        require_tested_aioice()
    except RuntimeError as error:
        return failed(str(error), mend="Install the pinned aioice.")
    if ports is None:
        return skipped("ICE_PORT_RANGE is empty: the kernel chooses any free UDP port.")
    count = ports[1] + 1 - ports[0]
    tried = random.sample(range(ports[0], ports[1] + 1), min(count, _MOST_TRIED))
    return judge_ports(
        count, tried=len(tried), taken=sum(not _can_bind(port) for port in tried), sessions=sessions
    )


def judge_ports(count: int, *, tried: int, taken: int, sessions: int) -> Finding:
    """Are `count` ports, of which `taken` of those `tried` were in use, enough?"""
    found = f"{count} UDP ports, {taken} of {tried} tried are in use"
    if taken == tried:
        return failed(found, mend="Free the ports of ICE_PORT_RANGE, or choose others.")
    if count < sessions:
        return warning(
            f"{found}; MAX_SESSIONS is {sessions}",
            mend="Widen ICE_PORT_RANGE: every stream takes a port on each address of this host.",
        )
    return ok(found)


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104  (nothing is read from it)
        except OSError:
            return False
    return True


def check_public_address(text: str) -> Finding:
    """Is ICE_PUBLIC_ADDRESS one that a camera may send to?"""
    if not text:
        return skipped("ICE_PUBLIC_ADDRESS is empty: cameras are told this host's own addresses.")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return failed(f"{text} is no IP address.", mend="Give the address, not a name.")
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return failed(
            f"No camera can send to {text}.", mend="Give the address that browsers reach."
        )
    if not address.is_global:
        return warning(
            f"{text} is a private address.",
            mend="Give the public address, unless all cameras are in that network.",
        )
    return ok(text)
