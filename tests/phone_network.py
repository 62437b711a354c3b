"""Two devices in a network of their own: the platform's machine, and a phone.

Each is a network namespace, so that this machine's own interfaces stay as they are: browsers
elsewhere break off what they load when those change.
"""

import ctypes
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000  # linux/sched.h


@dataclass(frozen=True)
class Device:
    """One end of the cable."""

    namespace: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with that is to run there."""
        return ("ip", "netns", "exec", self.namespace)

    def wrap(self, program: str, *, folder: Path, **environment: str) -> str:
        """Return a command that runs a program there, as a file of its own."""
        script = folder / f"{Path(program).name}-in-{self.namespace}"
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        script.write_text(
            f'#!/bin/sh\nexec {" ".join(self.prefix)} env {variables} {program} "$@"\n'
        )
        script.chmod(0o755)
        return str(script)

    def call(self, function: Callable[[], T]) -> T:
        """Call it there, in a thread: sockets that it opens belong to that device."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(self._enter_and_call, function).result()

    def _enter_and_call(self, function: Callable[[], T]) -> T:
        with Path(f"/run/netns/{self.namespace}").open() as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"can't enter {self.namespace}")
        return function()


@contextmanager
def two_devices() -> Iterator[tuple[Device, Device]]:
    """Lay a cable between two new devices; remove all of it afterwards. Needs root."""
    number = os.getpid()
    devices = (
        Device(f"qwencam-home-{number}", "10.213.0.1"),
        Device(f"qwencam-phone-{number}", "10.213.0.2"),
    )
    home, phone = devices
    try:
        for device in devices:
            _ip("netns", "add", device.namespace)
        ends = ("type", "veth", "peer", "name", "eth0", "netns", phone.namespace)
        _ip("link", "add", "name", "eth0", "netns", home.namespace, *ends)
        for device in devices:
            there = ("-n", device.namespace)
            _ip(*there, "address", "add", f"{device.address}/24", "dev", "eth0")
            _ip(*there, "link", "set", "eth0", "up")
            _ip(*there, "link", "set", "lo", "up")
        yield devices
    finally:
        for device in devices:
            command = ["ip", "netns", "delete", device.namespace]
            subprocess.run(command, check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)
