"""What the facts mean for QwenCam. Pure: the same facts, the same findings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from deploy.hardware.gpus import Gpu, VendorReading
from deploy.hardware.system import System
from deploy.models.advice import remedies
from deploy.models.checkpoint import Described
from deploy.models.fit import Fit, Place, fit

Status = Literal["ok", "warning", "failed", "unknown"]
_GIB: Final = 1024**3
# ROCm's and CUDA's first versions that vLLM's builds run with; its installation page names them.
_OLDEST_ROCM: Final = (7, 0)
_OLDEST_COMPUTE: Final = (7, 5)
_GFX: Final = ("gfx90a", "gfx942", "gfx950", "gfx110", "gfx115", "gfx120")
_NEEDED_DISK: Final = 10 * _GIB
# Below this a GPU is a display adapter or an APU's share of the RAM: not what a model is put on.
_SMALLEST_GPU: Final = 4 * _GIB


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report; a warning or failure says what to do about it."""

    status: Status
    group: str
    found: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelWish:
    """What is to be served: settings of the model server, as it reads them.

    Attributes:
        dtype: MODEL_DTYPE; ``auto`` on a GPU, float32 on a CPU where it is empty.
        gpus: TENSOR_PARALLEL_SIZE.
    """

    described: Described
    dtype: str
    context: int
    gpus: int
    utilization: float
    cpu_cache_bytes: int


@dataclass(frozen=True, kw_only=True)
class ModelVerdict:
    """Where the model would run, how it fits there, and what to do if it doesn't."""

    device: str
    place: Place
    fit: Fit
    advice: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was read."""

    amd: VendorReading
    nvidia: VendorReading
    system: System

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that a model could be put on: one vendor's, the one with more memory."""
        sides = [
            tuple(gpu for gpu in side.gpus if gpu.memory_bytes >= _SMALLEST_GPU)
            for side in (self.amd, self.nvidia)
        ]
        return max(sides, key=lambda side: sum(gpu.memory_bytes for gpu in side))

    @property
    def device(self) -> Literal["rocm", "cuda", "cpu"]:
        """Which build of vLLM this machine needs."""
        if not self.gpus:
            return "cpu"
        return "rocm" if self.gpus[0].vendor == "amd" else "cuda"


def judge_model(wish: ModelWish, facts: Facts) -> ModelVerdict:
    """Return where the model would run and whether it fits there."""
    place = place_for(wish, facts)
    dtype = wish.dtype or ("auto" if place.gpus else "float32")
    shape = wish.described.shape.as_dtype(dtype)
    found = fit(shape, place)
    return ModelVerdict(
        device=facts.device,
        place=place,
        fit=found,
        advice=tuple(remedies(shape, place, machine_gpus=len(facts.gpus))),
    )


def place_for(wish: ModelWish, facts: Facts) -> Place:
    """Return the GPUs with the most memory, as many as are to share the model; else the RAM."""
    memory = sorted((gpu.memory_bytes for gpu in facts.gpus), reverse=True)
    if not memory:
        system = facts.system
        free = min(system.available_bytes, system.memory_limit_bytes or system.available_bytes)
        return Place(
            memory_bytes=free,
            gpus=0,
            context=wish.context,
            cpu_cache_bytes=wish.cpu_cache_bytes,
        )
    used = memory[: wish.gpus]
    return Place(
        memory_bytes=min(used),
        gpus=len(used),
        context=wish.context,
        utilization=wish.utilization,
    )


def judge(facts: Facts, *, wish: ModelWish) -> list[Finding]:
    """Return all findings, in the report's order."""
    return [
        *_judge_gpus(facts),
        *_judge_amd(facts.amd, system=facts.system),
        *_judge_nvidia(facts.nvidia),
        *_judge_system(facts),
        *judge_fit(wish, facts),
    ]


def _judge_gpus(facts: Facts) -> Iterable[Finding]:
    listed = (*facts.amd.gpus, *facts.nvidia.gpus)
    if not listed:
        yield Finding(
            status="warning",
            group="GPU",
            found="none found: a model would run on the CPU, slowly",
            mend="For real use take a machine with an AMD or NVIDIA GPU, or give VLLM_BASE_URL.",
        )
    for gpu in listed:
        yield _judge_gpu(gpu)


def _judge_gpu(gpu: Gpu) -> Finding:
    memory = f", {gigabytes(gpu.memory_bytes)}" if gpu.memory_bytes else ", memory unknown"
    used = gpu.used_bytes
    taken = f", {gigabytes(used)} in use" if used and used > gpu.memory_bytes // 50 else ""
    place = f" ({', '.join(part for part in (gpu.architecture, gpu.pci_address) if part)})"
    found = f"{gpu.index}: {gpu.name}{place if len(place) > 3 else ''}{memory}{taken}"
    if gpu.partition:
        return Finding(
            status="warning",
            group="GPU",
            found=f"{found}, divided ({gpu.partition})",
            mend="What fits is computed for each part; one large model wants the GPU undivided.",
        )
    if taken and used is not None and used > gpu.memory_bytes // 10:
        return Finding(
            status="warning",
            group="GPU",
            found=found,
            mend="Something else uses this GPU: end it, or lower GPU_MEMORY_UTILIZATION.",
        )
    return Finding(
        status="ok" if gpu.memory_bytes else "failed",
        group="GPU",
        found=found,
        mend=("" if gpu.memory_bytes else "Install or repair the driver: see below."),
    )


def _judge_amd(reading: VendorReading, *, system: System) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    version = driver.version or "the kernel's own"
    works = bool(reading.gpus)
    for problem in driver.problems:
        yield Finding(
            status="warning" if works else "failed",
            group="Driver",
            found=problem,
            mend="Install AMD's driver (amdgpu-install --usecase=dkms) for this kernel and reboot; "
            "dmesg | grep -i -e amdgpu -e kfd says what is wrong.",
        )
    if works:
        yield Finding(status="ok", group="Driver", found=f"amdgpu, {version} (by {driver.source})")
    yield _judge_rocm(driver.runtime)
    yield from _judge_architectures(reading.gpus)
    if works:
        yield from _judge_rights(system)


def _judge_rocm(version: str) -> Finding:
    if not version:
        return Finding(
            status="ok",
            group="ROCm",
            found="not installed: vLLM's wheel and image for ROCm bring their own",
        )
    if _version(version) < _OLDEST_ROCM:
        return Finding(
            status="warning",
            group="ROCm",
            found=version,
            mend="Upgrade to ROCm 7 or newer: QwenCam is meant for it.",
        )
    return Finding(status="ok", group="ROCm", found=version)


def _judge_architectures(gpus: Sequence[Gpu]) -> Iterable[Finding]:
    for name in dict.fromkeys(gpu.architecture for gpu in gpus if gpu.architecture):
        if not name.startswith(_GFX):
            yield Finding(
                status="failed",
                group="GPU",
                found=f"{name} is not among the architectures that vLLM's ROCm builds name",
                mend="Take a GPU of MI200, MI300, MI350, RX 7900, RX 9000 or newer.",
            )


def _judge_rights(system: System) -> Iterable[Finding]:
    for path, device in (("/dev/kfd", system.kfd), ("/dev/dri/renderD*", system.render)):
        if device is None:
            yield Finding(
                status="failed",
                group="Rights",
                found=f"{path} is missing",
                mend="Load amdgpu; in a container give --device /dev/kfd --device /dev/dri.",
            )
        elif not device.writable:
            yield Finding(
                status="failed",
                group="Rights",
                found=f"this user may not use {path} (group {device.group})",
                mend=f"Add it: usermod -a -G video,{device.group} USER, and log in again.",
            )
        else:
            yield Finding(status="ok", group="Rights", found=f"{path} can be used")


def _judge_nvidia(reading: VendorReading) -> Iterable[Finding]:
    driver = reading.driver
    if driver is None:
        return
    for problem in driver.problems:
        yield Finding(
            status="failed",
            group="Driver",
            found=problem,
            mend="Reboot if the driver was just upgraded; else install it again for this kernel.",
        )
    if not driver.problems:
        runtime = f", CUDA up to {driver.runtime}" if driver.runtime else ""
        yield Finding(status="ok", group="Driver", found=f"NVIDIA {driver.version}{runtime}")
    for name in dict.fromkeys(gpu.architecture for gpu in reading.gpus if gpu.architecture):
        if _version(name) < _OLDEST_COMPUTE:
            yield Finding(
                status="failed",
                group="GPU",
                found=f"compute capability {name}",
                mend="vLLM needs 7.5 or higher: T4, RTX 20, A10, L4, H100 or newer.",
            )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _judge_system(facts: Facts) -> Iterable[Finding]:
    system = facts.system
    processor = system.processor
    features = " ".join(processor.features)
    nodes = f", {processor.numa_nodes} NUMA nodes" if processor.numa_nodes > 1 else ""
    yield Finding(
        status="ok",
        group="CPU",
        found=f"{processor.name}, {processor.cpus} CPUs{nodes}"
        + (f", {features}" if features else ""),
    )
    if not facts.gpus and "avx512f" not in processor.features:
        yield Finding(
            status="warning",
            group="CPU",
            found="without AVX-512",
            mend="vLLM's CPU build is made for AVX-512 and slow without: expect little of it.",
        )
    limit = system.memory_limit_bytes
    bound = f", {gigabytes(limit)} for this container" if limit is not None else ""
    yield Finding(
        status="ok",
        group="Memory",
        found=f"{gigabytes(system.memory_bytes)}, {gigabytes(system.available_bytes)} free{bound}",
    )
    yield _judge_disk(system)
    yield _judge_ports(system)
    yield _judge_clock(system)
    yield from _judge_numa(facts)


def _judge_disk(system: System) -> Finding:
    disk = system.disk
    if disk is None:
        return Finding(
            status="unknown", group="Disk", found=f"{system.disk_folder} can't be looked at"
        )
    found = f"{gigabytes(disk.free)} free of {gigabytes(disk.total)} at {system.disk_folder}"
    if disk.free < _NEEDED_DISK:
        return Finding(
            status="warning",
            group="Disk",
            found=found,
            mend="Make room: vLLM takes about 10 GB, a model its weights, a conversion twice that.",
        )
    return Finding(status="ok", group="Disk", found=found)


def _judge_ports(system: System) -> Finding:
    ports = system.ports
    if ports is None:
        return Finding(
            status="ok", group="UDP", found="ICE_PORT_RANGE is empty: the kernel chooses ports"
        )
    count = ports.high - ports.low + 1
    found = f"{count - ports.taken} of the {count} ports {ports.low}-{ports.high} are free"
    if ports.taken:
        return Finding(
            status="warning" if ports.taken < count else "failed",
            group="UDP",
            found=found,
            mend="Free them or choose another ICE_PORT_RANGE; a running QwenCam takes its own.",
        )
    return Finding(status="ok", group="UDP", found=found)


def _judge_clock(system: System) -> Finding:
    if system.clock_synchronised is None:
        return Finding(status="unknown", group="Clock", found="nothing says whether NTP keeps it")
    if not system.clock_synchronised:
        return Finding(
            status="warning",
            group="Clock",
            found="not synchronised",
            mend="Enable NTP (timedatectl set-ntp true): tokens and TURN credentials expire by it.",
        )
    return Finding(status="ok", group="Clock", found="synchronised by NTP")


def _judge_numa(facts: Facts) -> Iterable[Finding]:
    balancing = facts.system.numa_balancing
    if balancing and facts.amd.gpus:
        yield Finding(
            status="warning",
            group="Kernel",
            found="NUMA balancing is on: it stalls GPUs while it moves memory",
            mend="sysctl kernel.numa_balancing=0, and the same line in /etc/sysctl.d/.",
        )
    elif balancing is not None:
        state = "on" if balancing else "off"
        yield Finding(status="ok", group="Kernel", found=f"NUMA balancing is {state}")


def judge_fit(wish: ModelWish, facts: Facts) -> Iterable[Finding]:
    """Return whether the model fits, with what room, and what to do if it doesn't."""
    verdict = judge_model(wish, facts)
    name, found = wish.described.name, verdict.fit
    shape = wish.described.shape
    about = "about " if wish.described.estimated else ""
    where = _where(verdict, machine_gpus=len(facts.gpus))
    weights = f"{name}: {about}{gigabytes(found.weight_bytes)} of weights"
    if wish.gpus > len(facts.gpus) > 0:
        yield Finding(
            status="failed",
            group="Model",
            found=f"TENSOR_PARALLEL_SIZE={wish.gpus}, but there are {len(facts.gpus)} usable GPUs",
            mend=f"Set TENSOR_PARALLEL_SIZE={len(facts.gpus)}.",
        )
    if wish.context > shape.max_context > 0:
        yield Finding(
            status="warning",
            group="Model",
            found=f"MODEL_MAX_TOKENS={wish.context}, but it was made for {shape.max_context}",
            mend=f"Set MODEL_MAX_TOKENS={shape.max_context} or less.",
        )
    if found.fits:
        yield Finding(
            status="ok",
            group="Model",
            found=f"{weights} fit {where}; {gigabytes(found.cache_bytes)} are left for the KV "
            f"cache: {found.cache_tokens} tokens, {found.sessions} sessions of {wish.context}",
        )
        return
    missing = {
        "weights": f"{gigabytes(-found.cache_bytes)} are missing for the weights",
        "context": f"{gigabytes(max(0, found.cache_bytes))} are left for the KV cache, "
        f"too little for one session of {wish.context} tokens",
        "heads": f"its {shape.attention_heads} attention heads can't be dealt to {wish.gpus} GPUs",
    }[found.shortage or "weights"]
    yield Finding(
        status="failed",
        group="Model",
        found=f"{weights} don't fit {where}: {missing}",
        mend=" Or: ".join(verdict.advice),
    )


def _where(verdict: ModelVerdict, *, machine_gpus: int) -> str:
    place = verdict.place
    if not place.gpus:
        return f"in {gigabytes(place.memory_bytes)} of free RAM"
    each = gigabytes(place.memory_bytes)
    share = f"{place.utilization:.0%}"
    return (
        f"on each of {place.gpus} GPUs of {each}"
        if place.gpus > 1
        else (f"on one GPU of {each} ({share} of it used)")
    )


def gigabytes(count: int) -> str:
    """Return bytes as text, in the GB of disks and model pages (10⁹)."""
    value = count / 1e9
    return f"{value:.1f} GB" if value < 100 else f"{value:.0f} GB"
