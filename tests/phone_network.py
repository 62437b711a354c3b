"""A phone in the platform's network: a network namespace, at the other end of a cable.

Tests give the platform a namespace of its own too, so that this machine's own interfaces stay as
they are: browsers elsewhere break off what they load when those change.
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
HOME = "10.213.0.1"
"""The platform's address."""
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
    home = Device(f"qwencam-home-{os.getpid()}", HOME)
    with _namespace(home.namespace), _phone(cable="eth0", at=("-n", home.namespace)) as phone:
        _ip("-n", home.namespace, "link", "set", "lo", "up")
        yield home, phone


@contextmanager
def phone_of_this_machine() -> Iterator[Device]:
    """Lay a cable from this machine, then ``HOME``, to a new device. Needs root."""
    with _phone(cable="qwencam-phone", at=()) as phone:
        yield phone


@contextmanager
def _phone(*, cable: str, at: tuple[str, ...]) -> Iterator[Device]:
    """A new device whose cable ends as that interface; ``at`` says where, as ip's options."""
    phone = Device(f"qwencam-phone-{os.getpid()}", "10.213.0.2")
    there = ("-n", phone.namespace)
    with _namespace(phone.namespace):
        ends = ("type", "veth", "peer", "name", "eth0", "netns", phone.namespace)
        _ip(*at, "link", "add", "name", cable, *ends)
        for where, interface, address in ((at, cable, HOME), (there, "eth0", phone.address)):
            _ip(*where, "address", "add", f"{address}/24", "dev", interface)
            _ip(*where, "link", "set", interface, "up")
        _ip(*there, "link", "set", "lo", "up")
        yield phone


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    """Deleted afterwards; its interfaces, and the other ends of their cables, go with it."""
    _ip("netns", "add", name)
    try:
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)
