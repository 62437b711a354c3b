"""The GPUs of this host: how busy, how full, how hot.

NVIDIA by nvidia-ml-py, which comes with the platform; AMD by amdsmi, which comes with ROCm, else by
the files of its driver (sysfs), which need neither ROCm nor rights.
"""

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

logger = logging.getLogger(__name__)

SYSFS: Final = Path("/sys")


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
    except Exception as error:  # Drivers fail in their own ways, and no answer needs this.
        logger.warning("The GPUs can't be read: %s", type(error).__name__)
        return []


@cache
def _reader() -> Callable[[], list[Gpu]] | None:
    """What reads this host's GPUs, found once in the life of a process."""
    # A library is imported when it is tried: which of them a host has is what is found out here.
    for begin in (_begin_nvidia, _begin_amd, _begin_sysfs):
        with suppress(Exception):  # No library, no driver or no GPU: all the same to us.
            return begin()
    return None


def _begin_nvidia() -> Callable[[], list[Gpu]]:
    pynvml = import_module("pynvml")
    pynvml.nvmlInit()
    return lambda: read_nvidia(pynvml)


def _begin_amd() -> Callable[[], list[Gpu]]:
    amdsmi = import_module("amdsmi")
    amdsmi.amdsmi_init()
    return lambda: read_amd(amdsmi)


def _begin_sysfs() -> Callable[[], list[Gpu]]:
    if not sysfs_cards(SYSFS):
        raise LookupError
    return partial(read_sysfs, SYSFS)


def read_nvidia(nvml: ModuleType | Any) -> list[Gpu]:
    """Read by NVML: https://docs.nvidia.com/deploy/nvml-api/."""
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    return [_nvidia(nvml, handle) for handle in handles]


def _nvidia(nvml: Any, handle: Any) -> Gpu:
    memory = _reported(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    use = _reported(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    power = _reported(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    name = _reported(lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA GPU"
    return Gpu(
        name=name.decode() if isinstance(name, bytes) else name,
        use=None if use is None else use / 100,
        memory_used=memory and int(memory.used),
        memory_total=memory and int(memory.total),
        temperature=_reported(
            lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        ),
        power=None if power is None else power / 1000,  # mW
    )


def read_amd(smi: ModuleType | Any) -> list[Gpu]:
    """Read by AMD SMI: https://rocm.docs.amd.com/projects/amdsmi/."""
    return [_amd(smi, handle) for handle in smi.amdsmi_get_processor_handles()]


def _amd(smi: Any, handle: Any) -> Gpu:
    use = _number(_reported(lambda: smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]))
    vram = smi.AmdSmiMemoryType.VRAM
    power = _reported(lambda: smi.amdsmi_get_power_info(handle)) or {}
    watts = _number(power.get("current_socket_power")) or _number(power.get("average_socket_power"))
    return Gpu(
        name=_reported(lambda: smi.amdsmi_get_gpu_asic_info(handle)["market_name"]) or "AMD GPU",
        use=None if use is None else use / 100,
        memory_used=_reported(lambda: int(smi.amdsmi_get_gpu_memory_usage(handle, vram))),
        memory_total=_reported(lambda: int(smi.amdsmi_get_gpu_memory_total(handle, vram))),
        temperature=_number(
            _reported(
                lambda: smi.amdsmi_get_temp_metric(
                    handle,
                    smi.AmdSmiTemperatureType.HOTSPOT,
                    smi.AmdSmiTemperatureMetric.CURRENT,
                )
            )
        ),
        power=watts,
    )


def sysfs_cards(sysfs: Path) -> list[Path]:
    """Return the device folders of the GPUs that amdgpu runs, in the order of their PCI addresses.

    Those that it divides have no PCI address of their own and follow by number.
    """
    cards = [
        folder / "device"
        for folder in sysfs.glob("class/drm/card*")
        if folder.name[4:].isdigit() and (folder / "device" / "mem_info_vram_total").is_file()
    ]
    return sorted(cards, key=lambda card: (_pci_address(card), int(card.parent.name[4:])))


def read_sysfs(sysfs: Path) -> list[Gpu]:
    """Read by the files of the amdgpu driver: https://docs.kernel.org/gpu/amdgpu/.

    Args:
        sysfs: the folder that is ``/sys``.
    """
    return [_sysfs_gpu(card) for card in sysfs_cards(sysfs)]


def _sysfs_gpu(card: Path) -> Gpu:
    use = _file_number(card / "gpu_busy_percent")
    used = _file_number(card / "mem_info_vram_used")
    total = _file_number(card / "mem_info_vram_total")
    watts = _first_number(card, "hwmon/hwmon*/power1_average", "hwmon/hwmon*/power1_input")
    return Gpu(
        name=_file_text(card / "product_name") or f"AMD GPU {_pci_address(card)}".rstrip(),
        use=None if use is None else use / 100,
        memory_used=None if used is None else int(used),
        memory_total=None if total is None else int(total),
        temperature=_hottest(card),
        power=None if watts is None else watts / 1e6,  # µW
    )


def _pci_address(card: Path) -> str:
    found = re.search(r"^PCI_SLOT_NAME=(\S+)", _file_text(card / "uevent"), re.M)
    return found[1].lower() if found else ""


def _hottest(card: Path) -> float | None:
    """The junction, which amdgpu throttles by, in °C; without one the only sensor there is."""
    labels = sorted(card.glob("hwmon/hwmon*/temp*_label"))
    junction = [label for label in labels if _file_text(label) == "junction"]
    names = [label.name.replace("_label", "_input") for label in junction] or ["temp1_input"]
    thousandths = _first_number(card, f"hwmon/hwmon*/{names[0]}")
    return None if thousandths is None else thousandths / 1000


def _first_number(card: Path, *patterns: str) -> float | None:
    found = (_file_number(path) for pattern in patterns for path in sorted(card.glob(pattern)))
    return next((number for number in found if number is not None), None)


def _file_text(path: Path) -> str:
    """A file's text; empty where there is none, or where reading fails: idle cards sleep."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _file_number(path: Path) -> float | None:
    text = _file_text(path)
    return float(text) if text.isdigit() else None


def _reported(ask: Callable[[], Any]) -> Any:
    """The driver's answer, None where it has none."""
    try:
        return ask()
    except Exception:  # Each library has its own errors for "not supported".
        return None


def _number(value: object) -> float | None:
    """A number; AMD SMI says "N/A" where it has none."""
    return float(value) if isinstance(value, int | float) else None
