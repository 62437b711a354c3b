"""A real STUN and TURN server: coturn with the shipped file, on loopback."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ifaddr

from apps.streaming.ice_server_probe import ProbeFailed, probe_stun
from tests.ports import free_port
from tests.site_certificate import SITE, self_signed
from tests.stack import ROOT

SECRET = "a-secret-that-coturn-shares"


@dataclass(frozen=True)
class Coturn:
    """A running server at this place, `host:port`; `log` is what it says."""

    place: str
    tls_place: str
    log: Path


@contextmanager
def running_coturn(folder: Path) -> Iterator[Coturn]:
    """Run it, with its files in `folder`."""
    binary = shutil.which("turnserver")
    assert binary, "coturn is missing: ./scripts/test.sh installs it."
    port, tls_port = free_port(), free_port()
    self_signed(folder)
    file = folder / "turnserver.conf"
    file.write_text(_configuration(folder, port=port, tls_port=tls_port))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "-c", str(file)], stdout=output, stderr=output, cwd=folder
        )
    try:
        _wait_for(f"127.0.0.1:{port}", process, log=log)
        yield Coturn(f"127.0.0.1:{port}", f"127.0.0.1:{tls_port}", log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _own_addresses() -> list[str]:
    """This host's IPv4 addresses, loopback among them: what answers name."""
    found = [address.ip for adapter in ifaddr.get_adapters() for address in adapter.ips]
    return [address for address in found if isinstance(address, str)]


def _configuration(folder: Path, *, port: int, tls_port: int) -> str:
    """Return the shipped file with this test's places in it, and what loopback needs."""
    shipped = (ROOT / "deploy" / "coturn" / "turnserver.conf").read_text()
    changes = {
        "static-auth-secret=THE-SAME-RANDOM-TEXT": f"static-auth-secret={SECRET}",
        "\nlistening-port=3478": f"\nlistening-port={port}",
        "tls-listening-port=5349": f"tls-listening-port={tls_port}",
        f"/etc/ssl/{SITE}.pem": f"{folder}/site.pem",
        f"/etc/ssl/private/{SITE}.key": f"{folder}/site.key",
        "allowed-peer-ip=203.0.113.5": "\n".join(
            f"allowed-peer-ip={ip}" for ip in _own_addresses()
        ),
    }
    for old, new in changes.items():
        assert shipped.count(old) == 1, f"turnserver.conf no longer says {old!r} once"
        shipped = shipped.replace(old, new)
    loopback = ["listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "allow-loopback-peers"]
    places = [f"userdb={folder / 'turndb'}", f"pidfile={folder / 'pid'}", "cli-password=unused"]
    return "\n".join([shipped, *loopback, *places, ""])


def _wait_for(place: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            asyncio.run(probe_stun(f"stun:{place}", timeout=0.5))
            return
        except ProbeFailed:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
