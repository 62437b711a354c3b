"""The machine around the GPUs: processor, memory, disk, ports, clock, kernel settings."""

import re
from dataclasses import dataclass
from typing import Final

from deploy.hardware.sources import Device, Disk, Machine
from deploy.models.processor import cpu_features, memory_fields, memory_limit

TIMEDATECTL: Final = ("timedatectl", "show", "--property=NTPSynchronized")


@dataclass(frozen=True, kw_only=True)
class Processor:
    """Name, CPUs that the system has (hyperthreads counted), NUMA nodes, features that matter.

    ``x86`` tells whether vLLM's CPU build, as these scripts install it, runs there at all.
    """

    name: str
    cpus: int
    numa_nodes: int
    features: tuple[str, ...]
    x86: bool = True


@dataclass(frozen=True, kw_only=True)
class UdpPorts:
    """The ports of ICE_PORT_RANGE, and how many of them can't be bound now."""

    low: int
    high: int
    taken: int


@dataclass(frozen=True, kw_only=True)
class System:
    """Everything but the GPUs.

    Attributes:
        memory_bytes, available_bytes: RAM, and what of it programs can have without swapping.
        memory_limit_bytes: the container's bound; None without one.
        disk: where models go; None if it can't be told.
        ports: None where ICE_PORT_RANGE is empty.
        clock_synchronised: by NTP; None if nobody says.
        numa_balancing: the kernel moves memory between nodes by itself; None if it can't.
        kfd: rights to AMD's compute device, None where there is none.
        render: rights to the first render node, likewise.
    """

    os_name: str
    processor: Processor
    memory_bytes: int
    available_bytes: int
    memory_limit_bytes: int | None
    disk_folder: str
    disk: Disk | None
    ports: UdpPorts | None
    clock_synchronised: bool | None
    numa_balancing: bool | None
    kfd: Device | None
    render: Device | None


def read_system(machine: Machine, *, disk_folder: str, ports: tuple[int, int] | None) -> System:
    """Return all of it."""
    memory = memory_fields(machine.read("/proc/meminfo") or "")
    nodes = machine.find("/dev/dri/renderD*")
    return System(
        os_name=os_name(machine.read("/etc/os-release") or ""),
        processor=read_processor(machine),
        memory_bytes=memory.get("MemTotal", 0),
        available_bytes=memory.get("MemAvailable", 0),
        memory_limit_bytes=memory_limit(machine.read),
        disk_folder=disk_folder,
        disk=machine.disk(disk_folder),
        ports=_read_ports(machine, ports),
        clock_synchronised=_clock(machine),
        numa_balancing=_switch(machine.read("/proc/sys/kernel/numa_balancing")),
        kfd=machine.device("/dev/kfd"),
        render=machine.device(nodes[0] if nodes else "/dev/dri/renderD128"),
    )


def os_name(os_release: str) -> str:
    """Return such as ``Ubuntu 24.04.3 LTS``."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', os_release, re.M)
    return found[1] if found else "unknown system"


def read_processor(machine: Machine) -> Processor:
    """Return what /proc/cpuinfo says; a container may be allowed fewer CPUs."""
    text = machine.read("/proc/cpuinfo") or ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return Processor(
        name=name[1].strip() if name else "unknown processor",
        cpus=_cpus(machine) or len(re.findall(r"^processor\s*:", text, re.M)),
        numa_nodes=len(machine.find("/sys/devices/system/node/node[0-9]*")) or 1,
        features=cpu_features(text),
        x86=not re.search(r"^CPU implementer\s*:", text, re.M),  # As ARM's have it.
    )


def _cpus(machine: Machine) -> int:
    """Return how many CPUs are online: /proc/cpuinfo of a large machine is longer than we read."""
    return sum(
        int(last or first) - int(first) + 1
        for first, last in re.findall(
            r"(\d+)(?:-(\d+))?", machine.read("/sys/devices/system/cpu/online") or ""
        )
    )


def _read_ports(machine: Machine, ports: tuple[int, int] | None) -> UdpPorts | None:
    if ports is None:
        return None
    low, high = ports
    return UdpPorts(low=low, high=high, taken=machine.taken_udp_ports(low, high))


def _clock(machine: Machine) -> bool | None:
    output = machine.run(*TIMEDATECTL)
    if output is None or output.code != 0 or "=" not in output.stdout:
        return None
    return output.stdout.strip().endswith("=yes")


def _switch(text: str | None) -> bool | None:
    return None if text is None or not text.strip().isdigit() else int(text) != 0
