"""A real STUN and TURN server: coturn on loopback, with a shared secret."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.streaming.relays import RelayFailed, ask_stun
from tests.ports import free_port

SECRET = "a-secret-that-coturn-shares"


@dataclass(frozen=True)
class Coturn:
    """A running server at this place, `host:port`; `log` is what it says."""

    place: str
    log: Path


@contextmanager
def running_coturn(folder: Path) -> Iterator[Coturn]:
    """Run it, with its files in `folder`."""
    binary = shutil.which("turnserver")
    assert binary, "coturn is missing: ./scripts/test.sh installs it."
    port = free_port()
    options = [
        f"--listening-port={port}",
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        "--min-port=50000",
        "--max-port=50100",
        "--realm=qwencam.test",
        "--use-auth-secret",
        f"--static-auth-secret={SECRET}",
        "--allow-loopback-peers",
        "--cli-password=unused",
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--log-file=stdout",
        f"--userdb={folder / 'turndb'}",
        f"--pidfile={folder / 'pid'}",
    ]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "-n", *options], stdout=output, stderr=output, cwd=folder
        )
    try:
        _wait_for(f"127.0.0.1:{port}", process, log=log)
        yield Coturn(f"127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(place: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            asyncio.run(ask_stun(f"stun:{place}", patience=0.5))
            return
        except RelayFailed:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
