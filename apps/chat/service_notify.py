"""Says to systemd that a service is ready, or still alive: sd_notify(3) in a datagram.

systemd restarts a service of ``WatchdogSec=`` that has said nothing for so long.
"""

import os
import socket
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"


def notify(state: str) -> None:
    """Send ``state``; does nothing where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # An @ stands for the zero byte that an abstract socket's name begins with.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), name)
