"""What the platform's web server takes of the machine."""

import asyncio
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from apps.inference.gpus import read_gpus


def usage(process: psutil.Process) -> dict[str, Any]:
    """Return memory in MB (private to the process), threads and file descriptors."""
    memory = process.memory_full_info()
    return {
        "memory_mb": round(memory.uss / 1e6, 2),
        "threads": process.num_threads(),
        "descriptors": process.num_fds(),
    }


async def cpu_percent(process: psutil.Process, *, seconds: float) -> float:
    """Return the share of one core that a process takes, in percent, over that time."""
    before, began = _cpu_seconds(process), time.monotonic()
    await asyncio.sleep(seconds)
    return round(100 * (_cpu_seconds(process) - before) / (time.monotonic() - began), 2)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


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


class GpuMonitor:
    """Samples the GPUs once a second while its context is open; quiet where there are none."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._task: asyncio.Task[None] | None = None
        self.samples: list[dict[str, Any]] = []

    async def __aenter__(self) -> "GpuMonitor":
        """Begin."""
        if self._on:
            self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _sample(self) -> None:
        while True:
            gpus = await asyncio.to_thread(read_gpus)
            self.samples.append({"at": time.time(), "gpus": [asdict(gpu) for gpu in gpus]})
            await asyncio.sleep(1)
