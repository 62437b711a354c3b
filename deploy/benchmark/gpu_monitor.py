"""What the GPUs do while something is measured."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from apps.inference.gpus import Gpu
from deploy.hardware.gpu_load import read_gpu_load


class GpuMonitor:
    """Samples the GPUs once a second while its context is open; quiet where there are none."""

    def __init__(self, *, on: bool, read_gpus: Callable[[], Sequence[Gpu]] = read_gpu_load) -> None:
        self._on = on
        self._read_gpus = read_gpus
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
            gpus = await asyncio.to_thread(self._read_gpus)
            self.samples.append({"at": time.time(), "gpus": [asdict(gpu) for gpu in gpus]})
            await asyncio.sleep(1)
