"""Everything that was read of a machine."""

from dataclasses import dataclass

from deploy.hardware.amd import read_amd
from deploy.hardware.gpus import Gpu, VendorReading
from deploy.hardware.nvidia import read_nvidia
from deploy.hardware.sources import Machine
from deploy.hardware.system import System, read_system
from deploy.models.serving import Device


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The GPUs of both makers, and the rest of the machine."""

    amd: VendorReading
    nvidia: VendorReading
    system: System

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that a model could be put on: one maker's, the one's with more memory."""
        sides = [side.usable for side in (self.amd, self.nvidia)]
        return max(sides, key=lambda side: sum(gpu.memory_bytes for gpu in side))

    @property
    def too_old(self) -> tuple[Gpu, ...]:
        """The GPUs that vLLM isn't built for."""
        return tuple(gpu for gpu in (*self.amd.gpus, *self.nvidia.gpus) if gpu.too_old)

    @property
    def device(self) -> Device:
        """Which build of vLLM this machine needs."""
        if not self.gpus:
            return "cpu"
        return "rocm" if self.gpus[0].vendor == "amd" else "cuda"

    @property
    def broken(self) -> bool:
        """Is there a GPU that can't be used as its driver doesn't work?"""
        drivers = (self.amd.driver, self.nvidia.driver)
        return not self.gpus and any(driver and driver.problems for driver in drivers)


def read_facts(machine: Machine, *, disk_folder: str, ports: tuple[int, int] | None) -> Facts:
    """Return everything there is to know of a machine."""
    return Facts(
        amd=read_amd(machine),
        nvidia=read_nvidia(machine),
        system=read_system(machine, disk_folder=disk_folder, ports=ports),
    )
