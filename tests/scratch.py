"""Folders for files that are as many as they are soon deleted."""

import os
import tempfile
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")
_FREE_BYTES = 8 << 30
"""The model servers of other tests need the rest."""


def scratch(prefix: str, *, megabytes: int) -> Path:
    """Return a new folder that every account may enter, unlike pytest's own.

    It is in memory where there is room for ``megabytes``: a disk takes several times as long for
    thousands of small files, and longer still where somebody wants them to be safe on it.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if _has_room(megabytes) else None))
    folder.chmod(0o755)
    return folder


def _has_room(megabytes: int) -> bool:
    if not os.access(_MEMORY, os.W_OK):
        return False
    place = os.statvfs(_MEMORY)
    free = min(place.f_bavail * place.f_frsize, psutil.virtual_memory().available - _FREE_BYTES)
    return free > megabytes << 20 and not place.f_flag & os.ST_NOEXEC
