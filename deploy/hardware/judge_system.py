"""What processor, memory, disk, ports, clock and kernel settings are good for. Pure."""

from collections.abc import Iterable
from typing import Final

from deploy.hardware.facts import Facts
from deploy.hardware.findings import Finding, counted, failed, ok, unknown, warning
from deploy.hardware.system import System
from deploy.models.amounts import amount

_LITTLE_DISK: Final = 10 * 10**9


def judge_system(facts: Facts) -> Iterable[Finding]:
    """Return the findings of everything but GPUs."""
    yield from _judge_processor(facts)
    yield _judge_memory(facts.system)
    yield _judge_disk(facts.system)
    yield _judge_ports(facts.system)
    yield _judge_clock(facts.system)
    yield from _judge_numa(facts)


def _judge_processor(facts: Facts) -> Iterable[Finding]:
    processor = facts.system.processor
    nodes = f", {processor.numa_nodes} NUMA nodes" if processor.numa_nodes > 1 else ""
    features = f", {' '.join(processor.features)}" if processor.features else ""
    yield ok("CPU", f"{processor.name}, {counted(processor.cpus, 'CPU')}{nodes}{features}")
    if facts.gpus:
        return
    if not processor.x86:
        yield warning(
            "CPU",
            "no x86",
            mend="The vLLM for CPUs that these scripts install is for x86_64: give VLLM_BASE_URL.",
        )
    elif "avx512f" not in processor.features:
        yield warning(
            "CPU",
            "without AVX-512",
            mend="vLLM's CPU build is made for AVX-512 and slow without it: expect little.",
        )


def _judge_memory(system: System) -> Finding:
    limit = system.memory_limit_bytes
    bound = f", {amount(limit)} for this container" if limit is not None else ""
    free = amount(system.available_bytes)
    return ok("Memory", f"{amount(system.memory_bytes)}, {free} free{bound}")


def _judge_disk(system: System) -> Finding:
    disk = system.disk
    if disk is None:
        return unknown("Disk", f"{system.disk_folder} can't be looked at")
    found = f"{amount(disk.free)} free of {amount(disk.total)} at {system.disk_folder}"
    if disk.free < _LITTLE_DISK:
        return warning(
            "Disk",
            found,
            mend="Make room: vLLM takes several GB, and the model as many as its weights have.",
        )
    return ok("Disk", found)


def _judge_ports(system: System) -> Finding:
    ports = system.ports
    if ports is None:
        return ok("UDP", "ICE_PORT_RANGE is empty: the kernel chooses ports")
    count = ports.high - ports.low + 1
    found = f"{count - ports.taken} of the {count} ports {ports.low}-{ports.high} are free"
    if not ports.taken:
        return ok("UDP", found)
    say = warning if ports.taken < count else failed
    return say(
        "UDP",
        found,
        mend="Free them or choose another ICE_PORT_RANGE; a running QwenCam holds its own.",
    )


def _judge_clock(system: System) -> Finding:
    if system.clock_synchronised is None:
        return unknown("Clock", "nothing says whether NTP keeps it")
    if system.clock_synchronised:
        return ok("Clock", "synchronised by NTP")
    return warning(
        "Clock",
        "not synchronised",
        mend="Enable NTP (timedatectl set-ntp true): tokens and TURN credentials expire by it.",
    )


def _judge_numa(facts: Facts) -> Iterable[Finding]:
    balancing = facts.system.numa_balancing
    if balancing is None:
        return
    if balancing and facts.amd.usable and facts.system.processor.numa_nodes > 1:
        yield warning(
            "Kernel",
            "NUMA balancing is on: AMD advises against it beside its GPUs",
            mend="sudo sysctl kernel.numa_balancing=0, and kernel.numa_balancing=0 in a file of "
            "/etc/sysctl.d/; on the host, if this is a container.",
        )
    else:
        yield ok("Kernel", f"NUMA balancing is {'on' if balancing else 'off'}")
