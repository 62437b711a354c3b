"""What the GPUs and their drivers are good for. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from deploy.hardware.facts import SMALLEST_GPU, Facts
from deploy.hardware.findings import Finding, failed, gigabytes, ok, warning
from deploy.hardware.gpus import DriverState, Gpu, VendorReading
from deploy.hardware.system import System

# What vLLM's installation page names, and what the wheel of vllm-cuda.txt brings.
_OLDEST_ROCM: Final = (7, 0)
_OLDEST_CUDA: Final = (13, 0)
_OLDEST_NVIDIA_DRIVER: Final = 580
_OLDEST_COMPUTE: Final = (7, 5)
_GFX: Final = ("gfx90a", "gfx942", "gfx950", "gfx110", "gfx115", "gfx120")
_MEND_AMD: Final = (
    "Install AMD's driver for this kernel (amdgpu-install --usecase=dkms) and reboot; "
    "dmesg | grep -i -e amdgpu -e kfd says what is wrong."
)
_MEND_NVIDIA: Final = "Reboot if it was just upgraded; else install it anew for this kernel."


def judge_gpus(facts: Facts) -> Iterable[Finding]:
    """Return a finding of each GPU, then those of the drivers."""
    listed = (*facts.amd.gpus, *facts.nvidia.gpus)
    if not listed and not facts.broken:
        yield warning(
            "GPU",
            "none found: a model would run on the CPU, slowly",
            mend="For real use take a machine with an AMD or NVIDIA GPU, or give VLLM_BASE_URL.",
        )
    for gpu in listed:
        yield _judge_gpu(gpu, others=len(listed) > 1)
    yield from _judge_amd(facts.amd, system=facts.system)
    yield from _judge_nvidia(facts.nvidia)


def _judge_gpu(gpu: Gpu, *, others: bool) -> Finding:
    known = ", ".join(part for part in (gpu.architecture, gpu.pci_address) if part)
    memory = gigabytes(gpu.memory_bytes) if gpu.memory_bytes else "memory unknown"
    found = f"{gpu.index}: {gpu.name}{f' ({known})' if known else ''}, {memory}"
    if not gpu.memory_bytes:
        return failed("GPU", found, mend="Mend the driver first: see below.")
    if gpu.partition == "MIG":
        return warning(
            "GPU",
            f"{found}, in MIG mode",
            mend="vLLM gets one instance, which is smaller: nvidia-smi -mig 0 for one large model.",
        )
    if gpu.partition:
        return warning(
            "GPU",
            f"{found}, divided ({gpu.partition})",
            mend="What fits is judged for one part; a large model wants the GPU undivided (SPX).",
        )
    if gpu.memory_bytes < SMALLEST_GPU and others:
        return warning(
            "GPU",
            f"{found}: too small for a model",
            mend=f"Hide it from vLLM: {_hide(gpu)} with the numbers of the others only.",
        )
    return _judge_use(gpu, found=found)


def _hide(gpu: Gpu) -> str:
    return "HIP_VISIBLE_DEVICES" if gpu.vendor == "amd" else "CUDA_VISIBLE_DEVICES"


def _judge_use(gpu: Gpu, *, found: str) -> Finding:
    used = gpu.used_bytes or 0
    if used > gpu.memory_bytes // 10:
        return warning(
            "GPU",
            f"{found}, {gigabytes(used)} in use",
            mend="If that is not QwenCam's own model server, end it or lower "
            "GPU_MEMORY_UTILIZATION.",
        )
    return ok("GPU", found)


def _judge_amd(reading: VendorReading, *, system: System) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    works = bool(reading.gpus)
    if driver.problems:
        say = warning if works else failed
        yield say("Driver", " ".join(driver.problems), mend=_MEND_AMD)
    if not works:
        return
    version = driver.version or "the kernel's own"
    yield ok("Driver", f"amdgpu, {version} (GPUs by {driver.source})")
    yield _judge_rocm(driver.runtime)
    yield from _judge_gfx(reading.gpus)
    yield from _judge_rights(system)


def _judge_rocm(version: str) -> Finding:
    if not version:
        return ok("ROCm", "not installed: vLLM's wheel and image for ROCm bring their own")
    if _numbers(version) < _OLDEST_ROCM:
        return warning("ROCm", version, mend="Upgrade to ROCm 7 or newer: QwenCam is made for it.")
    return ok("ROCm", version)


def _judge_gfx(gpus: Sequence[Gpu]) -> Iterable[Finding]:
    usable = [gpu for gpu in gpus if gpu.memory_bytes >= SMALLEST_GPU]
    for name in dict.fromkeys(gpu.architecture for gpu in usable if gpu.architecture):
        if not name.startswith(_GFX):
            yield failed(
                "GPU",
                f"{name} is not among the architectures that vLLM's ROCm builds are for",
                mend="Take a GPU of MI200, MI300, MI350, RX 7900, RX 9000 or newer.",
            )


def _judge_rights(system: System) -> Iterable[Finding]:
    for path, device in (("/dev/kfd", system.kfd), ("/dev/dri/renderD*", system.render)):
        if device is None:
            yield failed(
                "Rights",
                f"{path} is missing",
                mend="Load amdgpu; in a container give --device /dev/kfd --device /dev/dri.",
            )
        elif not device.writable:
            groups = ",".join(dict.fromkeys(("video", "render", device.group)))
            yield failed(
                "Rights",
                f"this user may not use {path} (group {device.group})",
                mend=f"Give the user these groups and log in again: usermod -a -G {groups} USER.",
            )
        else:
            yield ok("Rights", f"{path} can be used")


def _judge_nvidia(reading: VendorReading) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    if driver.problems:
        yield failed("Driver", " ".join(driver.problems), mend=_MEND_NVIDIA)
    else:
        yield _judge_nvidia_driver(driver)
    for name in dict.fromkeys(gpu.architecture for gpu in reading.gpus if gpu.architecture):
        if _numbers(name) < _OLDEST_COMPUTE:
            yield failed(
                "GPU",
                f"compute capability {name}",
                mend="vLLM needs 7.5 or higher: T4, RTX 20, A10, L4, H100 or newer.",
            )


def _judge_nvidia_driver(driver: DriverState) -> Finding:
    runtime = f", CUDA up to {driver.runtime}" if driver.runtime else ""
    found = f"NVIDIA {driver.version}{runtime}"
    if driver.runtime:
        old = _numbers(driver.runtime) < _OLDEST_CUDA
    else:
        old = _numbers(driver.version)[:1] < (_OLDEST_NVIDIA_DRIVER,)
    if old:
        return failed(
            "Driver",
            found,
            mend=f"Upgrade it to {_OLDEST_NVIDIA_DRIVER} or newer: vLLM's wheel brings CUDA 13.",
        )
    return ok("Driver", found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
