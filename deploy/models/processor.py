"""What a CPU computes by itself, and how much memory is free for a model that runs on it.

Read from ``/proc`` and ``/sys`` through a function, so that a recording can be read as well.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

# Returns a file's text, or None where it can't be read.
Read = Callable[[str], str | None]
# What makes vLLM's CPU build quicker, or possible.
CPU_FEATURES: Final = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
)
NATIVE_BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16"})
# vLLM's CPU build knows blocks of FP8, as Qwen publishes them, with AMX only.
NATIVE_FP8: Final = frozenset({"amx_bf16"})
_KIB: Final = 1024


def read_file(path: str) -> str | None:
    """Return this machine's file, or None."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def cpu_features(cpuinfo: str) -> tuple[str, ...]:
    """Return which of `CPU_FEATURES` ``/proc/cpuinfo`` names."""
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.M)
    known = set(flags[1].split()) if flags else set()
    return tuple(feature for feature in CPU_FEATURES if feature in known)


def memory_fields(meminfo: str) -> dict[str, int]:
    """Return the fields of ``/proc/meminfo`` in bytes."""
    fields = re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.M)
    return {name: int(value) * _KIB for name, value in fields}


def memory_limit(read: Read) -> int | None:
    """Return what a container may use at most; cgroup v2, then v1, whose no-limit is huge."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = (read(path) or "").strip()
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None


def free_memory(available: int, limit: int | None) -> int:
    """Return what a model could have of the RAM: what is free, within a container's bound."""
    return available if limit is None else min(available, limit)
