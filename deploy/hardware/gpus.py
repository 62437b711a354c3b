"""What is known of a GPU, whoever made it, and what is wrong with its driver."""

from dataclasses import dataclass
from typing import Final, Literal

Vendor = Literal["amd", "nvidia"]
ProblemKind = Literal["not loaded", "no GPU", "no tool", "hangs", "mismatch", "rights", "tool"]

# Below this a GPU is a display adapter or an APU's share of the RAM: not what a model is put on.
SMALLEST_GPU: Final = 4 * 1024**3
# What vLLM's installation page names, and what the wheel of vllm-cuda.txt is built for.
_AMD_ARCHITECTURES: Final = ("gfx90a", "gfx942", "gfx950", "gfx110", "gfx115", "gfx120")
_AMD_WITH_FP8: Final = ("gfx942", "gfx950", "gfx120")
_OLDEST_COMPUTE: Final = (7, 5)
_BFLOAT16_COMPUTE: Final = (8, 0)
_FP8_COMPUTE: Final = (8, 9)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        index: its place among the vendor's GPUs, as the vendor's tools number them.
        memory_bytes: all of its memory; 0 where nobody says.
        used_bytes: what of it was in use; None where nobody says.
        architecture: ``gfx942``, or NVIDIA's compute capability such as ``9.0``; empty if unknown.
        pci_address: such as ``0000:c1:00.0``; empty if unknown.
        partition: how it is divided (``CPX/NPS4``, ``MIG``); empty for a whole GPU.
    """

    vendor: Vendor
    index: int
    name: str
    memory_bytes: int
    used_bytes: int | None = None
    architecture: str = ""
    pci_address: str = ""
    partition: str = ""

    @property
    def too_old(self) -> bool:
        """Is it none that vLLM is built for? Where nobody says what it is, it is taken to be."""
        if not self.architecture:
            return False
        if self.vendor == "amd":
            return not self.architecture.startswith(_AMD_ARCHITECTURES)
        return version_numbers(self.architecture) < _OLDEST_COMPUTE

    @property
    def usable(self) -> bool:
        """Can vLLM put a model on it?"""
        return self.memory_bytes >= SMALLEST_GPU and not self.too_old

    @property
    def computes_fp8(self) -> bool:
        """Does it compute in FP8? Of one that nobody names, that isn't claimed."""
        if self.vendor == "amd":
            return self.architecture.startswith(_AMD_WITH_FP8)
        return version_numbers(self.architecture) >= _FP8_COMPUTE

    @property
    def lacks_bfloat16(self) -> bool:
        """Is it one that vLLM refuses bfloat16 on?"""
        known = self.vendor == "nvidia" and bool(self.architecture)
        return known and version_numbers(self.architecture) < _BFLOAT16_COMPUTE


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, to compare it by."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a driver: the kind decides what is advised, the sentence is shown."""

    kind: ProblemKind
    said: str


@dataclass(frozen=True, kw_only=True)
class DriverState:
    """A vendor's driver and the runtime above it.

    Attributes:
        version: the kernel driver's version; empty if it isn't loaded or does not say.
        runtime: ROCm's version, or the newest CUDA that the driver supports; empty if unknown.
        problems: what is broken.
        source: which of the sysfs, the tools told of the GPUs.
    """

    vendor: Vendor
    version: str = ""
    runtime: str = ""
    problems: tuple[Problem, ...] = ()
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class VendorReading:
    """All that is known of one vendor's GPUs; no GPUs and no state where there are none."""

    gpus: tuple[Gpu, ...] = ()
    driver: DriverState | None = None

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """Those that vLLM can put a model on."""
        return tuple(gpu for gpu in self.gpus if gpu.usable)
