"""Says to what runs a service that it is ready, or still alive.

To systemd by sd_notify(3), a datagram: it restarts a service of ``WatchdogSec=`` that has said
nothing for so long, and kills one that takes longer than ``TimeoutStopSec=`` to stop, unless it has
asked for more. To the health check of a container by a file whose time is the last sign.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
_SPARE_SECONDS: Final = 30.0
"""For what comes after the last answer: connections that close, the interpreter's end."""


def notify(state: str) -> None:
    """Send ``state``, and touch ``HEARTBEAT_FILE``; does nothing where neither is named.

    A sign that can't be given is left out: it may be meant for what runs something around us, and
    a service manager of our own notices by itself.
    """
    with suppress(OSError):
        _touch(os.environ.get("HEARTBEAT_FILE"))
    with suppress(OSError):
        _send(state, to=os.environ.get("NOTIFY_SOCKET"))


def ask_to_stop_within(seconds: float) -> None:
    """Ask systemd for so long, and some more, to stop in. Never less than ``TimeoutStopSec=``."""
    microseconds = round((seconds + _SPARE_SECONDS) * 1_000_000)
    notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={microseconds}")


def _touch(file: str | None) -> None:
    if file:
        Path(file).touch()


def _send(state: str, *, to: str | None) -> None:
    if not to:
        return
    # An @ stands for the zero byte that an abstract socket's name begins with.
    name = f"\0{to[1:]}" if to.startswith("@") else to
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), name)
