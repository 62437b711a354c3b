"""What the platform's web server takes of the machine."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil


def usage(processes: Sequence[psutil.Process]) -> dict[str, Any]:
    """Return memory in MB (private to the processes), threads and file descriptors, in all."""
    return {
        "memory_mb": round(sum(each.memory_full_info().uss for each in processes) / 1e6, 2),
        "threads": sum(each.num_threads() for each in processes),
        "descriptors": sum(each.num_fds() for each in processes),
    }


async def cpu_percent(processes: Sequence[psutil.Process], *, seconds: float) -> float:
    """Return what processes take in all over that time, in percent of one core."""
    before, began = _cpu_seconds(processes), time.monotonic()
    await asyncio.sleep(seconds)
    return round(100 * (_cpu_seconds(processes) - before) / (time.monotonic() - began), 2)


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    times = [each.cpu_times() for each in processes]
    return float(sum(each.user + each.system for each in times))


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_1_5_15": [round(load, 2) for load in os.getloadavg()],
        "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else "unknown"
