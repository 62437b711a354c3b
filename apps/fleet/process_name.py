"""A name for this process."""

import os
import socket
from functools import cache
from secrets import token_hex


def process_name() -> str:
    """Return a name that no other process of the platform has, the same each time."""
    return _name_of(os.getpid())


@cache
def _name_of(pid: int) -> str:
    # In containers that share the host's network every process is number 1 of the same host.
    return f"{socket.gethostname()}:{pid}:{token_hex(3)}"
