"""How busy this machine's GPUs are now, for the monitor and the benchmark.

By what the platform itself reads (`apps.inference.gpus`: NVIDIA's and AMD's libraries, AMD's
sysfs); where NVIDIA's library isn't installed, by nvidia-smi, which comes with the driver.
"""

import csv
from typing import Final

from apps.inference.gpus import Gpu, read_gpus
from deploy.hardware.sources import LiveMachine, Machine

# It answers in a tenth of a second; of a driver that hangs nothing is to be learned.
_TOOL_SECONDS: Final = 3.0
QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw",
    "--format=csv,noheader,nounits",
)
_MIB: Final = 1024**2


def read_gpu_load(machine: Machine | None = None) -> list[Gpu]:
    """Return the GPUs as they are now, none where there are none; takes some ms for each.

    Args:
        machine: whose nvidia-smi is asked if need be; this one's if not given.
    """
    return read_gpus() or read_nvidia_smi(machine or LiveMachine(tool_timeout=_TOOL_SECONDS))


def read_nvidia_smi(machine: Machine) -> list[Gpu]:
    """Return what nvidia-smi says; nothing where it isn't there, fails or hangs."""
    output = machine.run(*QUERY)
    if output is None or output.code != 0:
        return []
    rows = csv.reader(output.stdout.splitlines(), skipinitialspace=True)
    return [_gpu([cell.strip() for cell in row]) for row in rows if len(row) == 6]


def _gpu(row: list[str]) -> Gpu:
    use, used, total, temperature, power = (_number(cell) for cell in row[1:])
    return Gpu(
        name=row[0],
        use=None if use is None else use / 100,
        memory_used=None if used is None else int(used * _MIB),
        memory_total=None if total is None else int(total * _MIB),
        temperature=temperature,
        power=power,
    )


def _number(cell: str) -> float | None:
    """A number; what a card doesn't have reads ``[N/A]`` or ``[Not Supported]``."""
    try:
        return float(cell)
    except ValueError:
        return None
