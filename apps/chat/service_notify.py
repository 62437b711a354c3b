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
    """Send ``state``, and touch ``HEARTBEAT_FILE``; does nothing where neither is named."""
    heartbeat = os.environ.get("HEARTBEAT_FILE")
    if heartbeat:
        Path(heartbeat).touch()
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # An @ stands for the zero byte that an abstract socket's name begins with.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), name)


def ask_to_stop_within(seconds: float) -> None:
    """Ask systemd for so long, and some more, to stop in. Never less than ``TimeoutStopSec=``."""
    microseconds = round((seconds + _SPARE_SECONDS) * 1_000_000)
    with suppress(OSError):  # It is stopped all the same.
        notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={microseconds}")
