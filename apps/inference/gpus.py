"""The GPUs of this host, where a library of their maker tells of them.

NVIDIA by nvidia-ml-py, which comes with the platform; AMD by amdsmi, which comes with ROCm.
A host with neither has no GPU as far as anybody can tell.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU now; None where its driver does not say.

    Attributes:
        use: share of the time it computes, 0 to 1.
        memory_used, memory_total: bytes.
        temperature: °C.
        power: W.
    """

    name: str
    use: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: float | None = None
    power: float | None = None


def read_gpus() -> list[Gpu]:
    """Return the GPUs of this host, none where there are none. Takes a few ms for each."""
    read = _reader()
    if read is None:
        return []
    try:
        return read()
    except Exception as error:  # Drivers fail in their own ways; a look at a GPU is never needed.
        logger.warning("The GPUs can't be read: %s", type(error).__name__)
        return []


@cache
def _reader() -> Callable[[], list[Gpu]] | None:
    """What reads this host's GPUs, found once in the life of a process."""
    for begin in (_begin_nvidia, _begin_amd):
        with suppress(Exception):  # No library, no driver or no GPU: all the same to us.
            return begin()
    return None


def _begin_nvidia() -> Callable[[], list[Gpu]]:
    import pynvml

    pynvml.nvmlInit()
    return lambda: read_nvidia(pynvml)


def _begin_amd() -> Callable[[], list[Gpu]]:
    import amdsmi

    amdsmi.amdsmi_init()
    return lambda: read_amd(amdsmi)


def read_nvidia(nvml: ModuleType | Any) -> list[Gpu]:
    """Read by NVML: https://docs.nvidia.com/deploy/nvml-api/."""
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    return [_nvidia(nvml, handle) for handle in handles]


def _nvidia(nvml: Any, handle: Any) -> Gpu:
    memory = _told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    use = _told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    power = _told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    name = _told(lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA GPU"
    return Gpu(
        name=name.decode() if isinstance(name, bytes) else name,
        use=None if use is None else use / 100,
        memory_used=memory and int(memory.used),
        memory_total=memory and int(memory.total),
        temperature=_told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        power=None if power is None else power / 1000,  # mW
    )


def read_amd(smi: ModuleType | Any) -> list[Gpu]:
    """Read by AMD SMI: https://rocm.docs.amd.com/projects/amdsmi/."""
    return [_amd(smi, handle) for handle in smi.amdsmi_get_processor_handles()]


def _amd(smi: Any, handle: Any) -> Gpu:
    use = _number(_told(lambda: smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]))
    vram = smi.AmdSmiMemoryType.VRAM
    power = _told(lambda: smi.amdsmi_get_power_info(handle)) or {}
    watts = _number(power.get("current_socket_power")) or _number(power.get("average_socket_power"))
    return Gpu(
        name=_told(lambda: smi.amdsmi_get_gpu_asic_info(handle)["market_name"]) or "AMD GPU",
        use=None if use is None else use / 100,
        memory_used=_told(lambda: int(smi.amdsmi_get_gpu_memory_usage(handle, vram))),
        memory_total=_told(lambda: int(smi.amdsmi_get_gpu_memory_total(handle, vram))),
        temperature=_number(
            _told(
                lambda: smi.amdsmi_get_temp_metric(
                    handle,
                    smi.AmdSmiTemperatureType.HOTSPOT,
                    smi.AmdSmiTemperatureMetric.CURRENT,
                )
            )
        ),
        power=watts,
    )


def _told(ask: Callable[[], Any]) -> Any:
    """The driver's answer, None where it has none."""
    try:
        return ask()
    except Exception:  # Each library has its own errors for "not supported".
        return None


def _number(value: object) -> float | None:
    """A number; AMD SMI says "N/A" where it has none."""
    return float(value) if isinstance(value, int | float) else None
