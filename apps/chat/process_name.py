"""A name for this process."""

import os
import socket


def process_name() -> str:
    """Return a name that no other process of the platform has."""
    return f"{socket.gethostname()}:{os.getpid()}"
