"""NVIDIA's GPUs, from nvidia-smi; without it, from what the PCI bus says."""

import csv
import re
from dataclasses import replace
from typing import Final

from deploy.hardware.gpus import DriverState, Gpu, Problem, ProblemKind, VendorReading
from deploy.hardware.sources import Machine, ToolOutput

_VENDOR_ID: Final = "0x10de"
_DISPLAY_CLASSES: Final = ("0x0300", "0x0302", "0x0380")
_FIELDS: Final = (
    "index,name,memory.total,memory.used,driver_version,pci.bus_id,compute_cap,mig.mode.current"
)
QUERY: Final = ("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
VERSION: Final = ("nvidia-smi", "--version")
LIST: Final = ("nvidia-smi", "-L")
_MIB: Final = 1024**2
_GIB: Final = 1024**3
# A "1g.10gb" instance has 9.5 to 9.75 GiB.
_OF_AN_INSTANCE: Final = 0.95


def read_nvidia(machine: Machine) -> VendorReading:
    """Return the GPUs and the driver's state."""
    cards = pci_cards(machine)
    output = machine.run(*QUERY)
    if output is None and not cards:
        return VendorReading()
    driver = DriverState(vendor="nvidia", version=_module_version(machine), source="PCI")
    if output is None:
        return VendorReading(
            gpus=cards, driver=replace(driver, problems=(_no_tool(driver.version),))
        )
    gpus, versions = parse_query(output.stdout)
    if output.code != 0 or not gpus:
        if not cards and output.code not in {0, None} and not driver.version:
            # The tool is left over, or came with an image: no card, no driver, nothing broken.
            # One that hangs is another matter: it found a driver to hang in.
            return VendorReading()
        return VendorReading(
            gpus=cards, driver=replace(driver, problems=(_broken(output, version=driver.version),))
        )
    if any(gpu.partition for gpu in gpus):
        gpus = _of_instances(gpus, listing=machine.run(*LIST))
    return VendorReading(
        gpus=gpus,
        driver=replace(
            driver,
            version=versions[0] if versions else driver.version,
            runtime=cuda_version(machine.run(*VERSION)),
            source="nvidia-smi",
        ),
    )


def parse_query(text: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """Return the GPUs, and the driver's version as each of them names it."""
    gpus, versions = [], []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) != _FIELDS.count(",") + 1 or not row[0].strip().isdigit():
            continue
        index, name, total, used, version, bus, capability, mig = (cell.strip() for cell in row)
        gpus.append(
            Gpu(
                vendor="nvidia",
                index=int(index),
                name=name,
                memory_bytes=_mebibytes(total) or 0,
                used_bytes=_mebibytes(used),
                architecture=capability if re.fullmatch(r"\d+\.\d+", capability) else "",
                pci_address=_pci(bus),
                partition="MIG" if mig == "Enabled" else "",
            )
        )
        versions.append(version)
    return tuple(gpus), tuple(versions)


def _of_instances(gpus: tuple[Gpu, ...], *, listing: ToolOutput | None) -> tuple[Gpu, ...]:
    """Return the GPUs, those in MIG mode with the memory of their largest instance.

    That is what vLLM gets; 0 where there is none.
    """
    sizes: dict[int, int] = {}
    index = -1
    for line in (listing.stdout if listing else "").splitlines():
        if found := re.match(r"GPU (\d+):", line):
            index = int(found[1])
        elif found := re.match(r"\s+MIG \d+g\.(\d+)gb", line):
            sizes[index] = max(sizes.get(index, 0), int(found[1]))
    return tuple(
        replace(
            gpu,
            memory_bytes=int(sizes.get(gpu.index, 0) * _GIB * _OF_AN_INSTANCE),
            used_bytes=None,
        )
        if gpu.partition
        else gpu
        for gpu in gpus
    )


def _mebibytes(text: str) -> int | None:
    """Return bytes; a value the card doesn't have reads ``[N/A]`` or ``[Not Supported]``."""
    return int(text) * _MIB if text.isdigit() else None


def _pci(bus: str) -> str:
    """nvidia-smi writes the PCI domain with eight digits, the kernel with four."""
    return bus.lower()[-12:]


def cuda_version(output: ToolOutput | None) -> str:
    """Return the newest CUDA that the driver supports; drivers before 550 don't say it so."""
    if output is None:
        return ""
    found = re.search(r"^CUDA (?:UMD )?Version\s*:\s*([\d.]+)", output.stdout, re.M | re.I)
    return found[1] if found else ""


def pci_cards(machine: Machine) -> tuple[Gpu, ...]:
    """Return NVIDIA's GPUs that are plugged in, whether or not a driver knows them."""
    addresses = [
        path.split("/")[-2]
        for path in machine.find("/sys/bus/pci/devices/*/vendor")
        if (machine.read(path) or "").strip() == _VENDOR_ID
        and (machine.read(path.replace("/vendor", "/class")) or "")[:6] in _DISPLAY_CLASSES
    ]
    return tuple(
        Gpu(vendor="nvidia", index=index, name="NVIDIA GPU", memory_bytes=0, pci_address=address)
        for index, address in enumerate(addresses)
    )


def _module_version(machine: Machine) -> str:
    return (machine.read("/sys/module/nvidia/version") or "").strip()


def _no_tool(version: str) -> Problem:
    if version:
        return Problem(
            kind="no tool", said="nvidia-smi is missing, so nothing is known of the GPUs' memory."
        )
    return Problem(kind="not loaded", said="No NVIDIA driver is loaded.")


def _broken(output: ToolOutput, *, version: str) -> Problem:
    complaint = output.complaint or f"exit {output.code}, and no GPU named"
    return Problem(kind=_kind(output, version=version), said=f"nvidia-smi fails: {complaint}")


def _kind(output: ToolOutput, *, version: str) -> ProblemKind:
    """Return which kind of problem the tool's own words tell of."""
    words = output.complaint.lower()
    if output.code is None:
        return "hangs"
    if "version mismatch" in words:
        return "mismatch"
    if "permission" in words:
        return "rights"
    return "tool" if version else "not loaded"
