"""NVIDIA's GPUs, from nvidia-smi; without it, from what the PCI bus says."""

import csv
import re
from dataclasses import replace
from typing import Final

from deploy.hardware.gpus import DriverState, Gpu, VendorReading
from deploy.hardware.sources import Machine, ToolOutput

_VENDOR_ID: Final = "0x10de"
_DISPLAY_CLASSES: Final = ("0x0300", "0x0302", "0x0380")
_FIELDS: Final = (
    "index,name,memory.total,memory.used,driver_version,pci.bus_id,compute_cap,mig.mode.current"
)
QUERY: Final = ("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
VERSION: Final = ("nvidia-smi", "--version")
_MIB: Final = 1024**2


def read_nvidia(machine: Machine) -> VendorReading:
    """Return the GPUs and the driver's state."""
    cards = pci_cards(machine)
    output = machine.run(*QUERY)
    if output is None and not cards:
        return VendorReading()
    driver = DriverState(vendor="nvidia", version=_module_version(machine), source="PCI")
    if output is None:
        return VendorReading(gpus=cards, driver=replace(driver, problems=(_no_tool(driver),)))
    gpus, versions = parse_query(output.stdout)
    if output.code != 0 or not gpus:
        if not cards and output.code not in {0, None} and not driver.version:
            # The tool is left over, or came with an image: no card, no driver, nothing broken.
            # One that hangs is another matter: it found a driver to hang in.
            return VendorReading()
        return VendorReading(gpus=cards, driver=replace(driver, problems=(_broken(output),)))
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


def _no_tool(driver: DriverState) -> str:
    if driver.version:
        return "nvidia-smi is missing, so nothing is known of the GPUs' memory."
    return "No NVIDIA driver is loaded."


def _broken(output: ToolOutput) -> str:
    return f"nvidia-smi fails: {output.complaint or f'exit {output.code}, and no GPU named'}"
