"""What the GPUs and their drivers are good for. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from deploy.hardware.facts import Facts
from deploy.hardware.findings import Finding, failed, ok, unknown, warning
from deploy.hardware.gpus import (
    SMALLEST_GPU,
    DriverState,
    Gpu,
    ProblemKind,
    VendorReading,
    version_numbers,
)
from deploy.hardware.sources import Device
from deploy.hardware.system import System
from deploy.models.amounts import amount

# What vLLM's installation page names, and what the wheel of vllm-cuda.txt brings.
_OLDEST_ROCM: Final = (7, 0)
_OLDEST_CUDA: Final = (13, 0)
_OLDEST_NVIDIA_DRIVER: Final = 580
_LIKE_IN_SIZE: Final = 0.9
_DMESG: Final = "sudo dmesg | grep -i -e amdgpu -e kfd says what is wrong"
_MEND_AMD: Final[Mapping[ProblemKind, str]] = {
    "not loaded": "Load it: sudo modprobe amdgpu. If that fails install AMD's driver for this "
    f"kernel (amdgpu-install --usecase=dkms) and reboot; {_DMESG}.",
    "no GPU": f"Reboot; {_DMESG}. In a container give --device /dev/kfd --device /dev/dri.",
    "tool": "vLLM brings ROCm of its own; only if it fails as well, install ROCm's tools anew. "
    f"{_DMESG[:1].upper()}{_DMESG[1:]}.",
}
_MEND_NVIDIA: Final[Mapping[ProblemKind, str]] = {
    "not loaded": f"Install NVIDIA's driver, {_OLDEST_NVIDIA_DRIVER} or newer, for this kernel and "
    "reboot; a container gets the host's by --gpus all.",
    "no tool": "Install NVIDIA's tools of the driver's version (nvidia-utils on Ubuntu); a "
    "container gets them by --gpus all.",
    "hangs": "Reboot; if it hangs again, install the driver anew for this kernel.",
    "mismatch": "Reboot: the driver was upgraded while its older module stayed loaded.",
    "rights": "Let this user open /dev/nvidia* (ls -l /dev/nvidia* shows who may); a container "
    "gets them by --gpus all.",
    "tool": "Reboot if it was just upgraded, start a container anew; else install the driver anew "
    "for this kernel.",
}


def judge_gpus(facts: Facts) -> Iterable[Finding]:
    """Return a finding of each GPU, then those of the drivers."""
    if not facts.gpus and not facts.broken:
        listed = facts.amd.gpus or facts.nvidia.gpus
        yield warning(
            "GPU",
            f"none {'that vLLM can use' if listed else 'found'}: a model would run on the CPU, "
            "slowly",
            mend="For real use take a machine with an AMD or NVIDIA GPU, or give VLLM_BASE_URL.",
        )
    for side in (facts.amd, facts.nvidia):
        for gpu in side.gpus:
            yield _judge_gpu(gpu, side=side)
    yield from _judge_sizes(facts.gpus)
    yield from _judge_amd(facts.amd, system=facts.system)
    yield from _judge_nvidia(facts.nvidia)


def _judge_gpu(gpu: Gpu, *, side: VendorReading) -> Finding:
    known = ", ".join(part for part in (gpu.architecture, gpu.pci_address) if part)
    memory = amount(gpu.memory_bytes) if gpu.memory_bytes else "memory unknown"
    found = f"{gpu.index}: {gpu.name}{f' ({known})' if known else ''}, {memory}"
    if gpu.too_old:
        return _judge_old(gpu, found=found, usable=side.usable)
    if not gpu.memory_bytes:
        return _judge_unknown(gpu, found=found, side=side)
    if gpu.memory_bytes < SMALLEST_GPU:
        return _judge_small(found=found, usable=side.usable)
    if gpu.partition == "MIG":
        return warning(
            "GPU",
            f"{found}, in MIG mode",
            mend="What fits is judged for its largest instance: nvidia-smi -mig 0 for one large "
            "model.",
        )
    if gpu.partition:
        return warning(
            "GPU",
            f"{found}, divided ({gpu.partition})",
            mend="What fits is judged for one part; a large model wants the GPU undivided (SPX).",
        )
    return _judge_use(gpu, found=found)


def _judge_old(gpu: Gpu, *, found: str, usable: Sequence[Gpu]) -> Finding:
    made_for = {
        "amd": "vLLM's ROCm builds are for MI200, MI300, MI350, RX 7900, RX 9000 and newer",
        "nvidia": "vLLM needs compute capability 7.5: T4, RTX 20, A10, L4, H100 or newer",
    }[gpu.vendor]
    instead = _only(usable) if usable else "A model runs on the CPU here, or at VLLM_BASE_URL."
    return warning("GPU", f"{found}: too old for vLLM", mend=f"{made_for}. {instead}")


def _judge_unknown(gpu: Gpu, *, found: str, side: VendorReading) -> Finding:
    if side.driver is not None and side.driver.problems:
        return failed("GPU", found, mend="Mend the driver first: see below.")
    if gpu.partition == "MIG":
        return failed(
            "GPU",
            f"{found}, in MIG mode without an instance",
            mend="Make an instance (nvidia-smi mig -cgi 0 -C), or turn MIG off: nvidia-smi -mig 0.",
        )
    return unknown("GPU", f"{found}: its tool doesn't tell, so what fits on it can't be judged")


def _judge_small(*, found: str, usable: Sequence[Gpu]) -> Finding:
    said = f"{found}: too small for a model"
    if not usable:
        return ok("GPU", f"{said}, so it is left out")
    return warning("GPU", said, mend=_only(usable))


def _only(usable: Sequence[Gpu]) -> str:
    """Return how vLLM is kept to these."""
    numbers = ",".join(str(gpu.index) for gpu in usable)
    if usable[0].vendor == "amd":
        return f"Hide it from vLLM: HIP_VISIBLE_DEVICES={numbers}."
    return f"Hide it from vLLM: CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={numbers}."


def _judge_use(gpu: Gpu, *, found: str) -> Finding:
    used = gpu.used_bytes or 0
    if used > gpu.memory_bytes // 10:
        return warning(
            "GPU",
            f"{found}, {amount(used)} in use",
            mend="If that is not QwenCam's own model server, end it or lower "
            "GPU_MEMORY_UTILIZATION.",
        )
    return ok("GPU", found)


def _judge_sizes(gpus: Sequence[Gpu]) -> Iterable[Finding]:
    """What fits is judged for the largest ones; vLLM takes the first ones."""
    largest = max((gpu.memory_bytes for gpu in gpus), default=0)
    large = [gpu for gpu in gpus if gpu.memory_bytes >= largest * _LIKE_IN_SIZE]
    if len(large) < len(gpus):
        yield warning(
            "GPU",
            "they differ in size, and what fits is judged for the largest",
            mend=_only(large).replace("Hide it from vLLM", "Keep vLLM to those"),
        )


def _judge_amd(reading: VendorReading, *, system: System) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    if driver.problems:
        say = warning if reading.gpus else failed
        said = " ".join(problem.said for problem in driver.problems)
        yield say("Driver", said, mend=_mend_amd(driver, system=system))
    if not reading.gpus:
        return
    version = driver.version or "the kernel's own"
    yield ok("Driver", f"amdgpu, {version} (GPUs by {driver.source})")
    if reading.usable:
        yield _judge_rocm(driver.runtime)
        yield from _judge_rights(system)


def _mend_amd(driver: DriverState, *, system: System) -> str:
    kind = driver.problems[0].kind
    if kind == "rights" and system.kfd is not None:
        return _give_rights("/dev/kfd", system.kfd)
    return _MEND_AMD[kind]


def _judge_rocm(version: str) -> Finding:
    if not version:
        return ok("ROCm", "not installed: vLLM's wheel and image for ROCm bring their own")
    if version_numbers(version) < _OLDEST_ROCM:
        return warning("ROCm", version, mend="Upgrade to ROCm 7 or newer: QwenCam is made for it.")
    return ok("ROCm", version)


def _judge_rights(system: System) -> Iterable[Finding]:
    for path, device in (("/dev/kfd", system.kfd), ("/dev/dri/renderD*", system.render)):
        if device is None:
            yield failed(
                "Rights",
                f"{path} is missing",
                mend=f"In a container give --device /dev/kfd --device /dev/dri; else {_DMESG}.",
            )
        elif not device.writable:
            yield failed(
                "Rights",
                f"this user may not use {path} (group {device.group})",
                mend=_give_rights(path, device),
            )
        else:
            yield ok("Rights", f"{path} can be used")


def _give_rights(path: str, device: Device) -> str:
    """A group without a name is the host's, as a container sees it: no account can be put in."""
    named = (device.group,) if device.group.isidentifier() else ()
    groups = ",".join(dict.fromkeys(("video", "render", *named)))
    folder = "/dev/dri" if path.startswith("/dev/dri") else path
    return (
        f"Give the user these groups and log in again: sudo usermod -a -G {groups} USER; start a "
        f"container with --device {folder} --group-add {device.group}."
    )


def _judge_nvidia(reading: VendorReading) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    if driver.problems:
        said = " ".join(problem.said for problem in driver.problems)
        yield failed("Driver", said, mend=_MEND_NVIDIA[driver.problems[0].kind])
    else:
        yield _judge_nvidia_driver(driver, needed=bool(reading.usable))


def _judge_nvidia_driver(driver: DriverState, *, needed: bool) -> Finding:
    """For GPUs that vLLM can't use any driver will do: newer ones don't even know the oldest."""
    runtime = f", CUDA up to {driver.runtime}" if driver.runtime else ""
    found = f"NVIDIA {driver.version}{runtime}"
    if driver.runtime:
        old = version_numbers(driver.runtime) < _OLDEST_CUDA
    else:
        old = version_numbers(driver.version)[:1] < (_OLDEST_NVIDIA_DRIVER,)
    if needed and old:
        return failed(
            "Driver",
            found,
            mend=f"Upgrade it to {_OLDEST_NVIDIA_DRIVER} or newer: vLLM's wheel brings CUDA 13.",
        )
    return ok("Driver", found)
