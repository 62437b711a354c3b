"""What is known of a GPU, whoever made it, and what is wrong with its driver."""

from dataclasses import dataclass
from typing import Literal

Vendor = Literal["amd", "nvidia"]


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


@dataclass(frozen=True, kw_only=True)
class DriverState:
    """A vendor's driver and the runtime above it.

    Attributes:
        version: the kernel driver's version; empty if it isn't loaded or does not say.
        runtime: ROCm's version, or the newest CUDA that the driver supports; empty if unknown.
        problems: what is broken, a sentence each.
        source: which of the sysfs, the tools told of the GPUs.
    """

    vendor: Vendor
    version: str = ""
    runtime: str = ""
    problems: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class VendorReading:
    """All that is known of one vendor's GPUs; no GPUs and no state where there are none."""

    gpus: tuple[Gpu, ...] = ()
    driver: DriverState | None = None
