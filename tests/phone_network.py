"""A second device in the same network: a network namespace with a cable to this machine."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PhoneNetwork:
    """`host` is this machine's address for the device in the namespace."""

    namespace: str
    host: str

    def wrap(self, program: str, *, folder: Path, **environment: str) -> str:
        """Return a command that runs a program there, as a file of its own."""
        script = folder / f"{Path(program).name}-on-the-phone"
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        script.write_text(
            f'#!/bin/sh\nexec ip netns exec {self.namespace} env {variables} {program} "$@"\n'
        )
        script.chmod(0o755)
        return str(script)


@contextmanager
def phone_network() -> Iterator[PhoneNetwork]:
    """Lay the cable; remove both ends afterwards. Needs root."""
    number = os.getpid()
    name, cable = f"qwencam-{number}", f"qc{number}"
    subnet = f"10.213.{number % 256}"
    network = PhoneNetwork(name, f"{subnet}.1")
    _ip("netns", "add", name)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{network.host}/24", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", name, "address", "add", f"{subnet}.2/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield network
    finally:
        subprocess.run(["ip", "link", "delete", cable], check=False, capture_output=True)
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)
