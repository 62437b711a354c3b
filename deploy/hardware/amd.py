"""AMD's GPUs: memory from sysfs, names from amd-smi, rocm-smi or rocminfo, whichever is there.

sysfs needs no ROCm and no rights, so it decides which GPUs there are. Where it is hidden, as in
some containers, the tools are asked in that order.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from deploy.hardware.gpus import DriverState, Gpu, Problem, VendorReading
from deploy.hardware.sources import Device, Machine, ToolOutput, natural

_VENDOR_ID: Final = "0x1002"
KFD: Final = "/dev/kfd"
AMD_SMI: Final = ("amd-smi", "static", "--asic", "--bus", "--vram", "--driver", "--json")
AMD_SMI_VERSION: Final = ("amd-smi", "version", "--json")
ROCM_SMI: Final = (
    "rocm-smi",
    "--showproductname",
    "--showbus",
    "--showmeminfo",
    "vram",
    "--showdriverversion",
    "--json",
)
ROCMINFO: Final = ("rocminfo",)
_UNITS: Final = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What a tool says of a GPU; zero and empty where it doesn't."""

    name: str = ""
    memory_bytes: int = 0
    architecture: str = ""
    pci_address: str = ""


@dataclass(frozen=True, kw_only=True)
class _ToolReading:
    """What a tool says; `problem` is a sentence if it is there and does not work."""

    tool: str
    gpus: tuple[_Named, ...] = ()
    driver: str = ""
    problem: str = ""


def read_amd(machine: Machine) -> VendorReading:
    """Return the GPUs and the driver's state."""
    cards = sysfs_cards(machine)
    plugged = _plugged_in(machine)
    tools = _read_tools(machine)
    gpus = _named(cards, tools) if cards else _from_tools(tools)
    loaded = _module_loaded(machine)
    if not gpus and not plugged and not loaded and machine.device(KFD) is None:
        # Tools that complain where there is no card and no driver are left over: nothing is broken.
        return VendorReading()
    return VendorReading(
        gpus=gpus,
        driver=DriverState(
            vendor="amd",
            version=_module_version(machine) or next((t.driver for t in tools if t.driver), ""),
            runtime=rocm_version(machine),
            problems=tuple(_problems(machine, gpus=gpus, loaded=loaded, tools=tools)),
            source="sysfs" if cards else next((tool.tool for tool in tools if tool.gpus), "PCI"),
        ),
    )


def _read_tools(machine: Machine) -> list[_ToolReading]:
    """Ask amd-smi, or rocm-smi where it fails; and rocminfo, which tries the compute runtime."""
    found = []
    smi = _read_tool(machine.run(*AMD_SMI), tool="amd-smi", parse=parse_amd_smi)
    if smi is None or smi.problem:
        found.append(_read_tool(machine.run(*ROCM_SMI), tool="rocm-smi", parse=parse_rocm_smi))
    info = _read_tool(machine.run(*ROCMINFO), tool="rocminfo", parse=parse_rocminfo)
    return [reading for reading in (smi, *found, info) if reading is not None]


def sysfs_cards(machine: Machine) -> tuple[Gpu, ...]:
    """Return the GPUs that the amdgpu driver runs, with their memory."""
    cards: dict[str, Gpu] = {}
    for path in machine.find("/sys/class/drm/card*/device/mem_info_vram_total"):
        folder = PurePosixPath(path).parent
        if not re.fullmatch(r"card\d+", folder.parent.name):
            continue
        total = machine.read(path)
        if total is None or not total.strip().isdigit():
            continue
        address = _slot(machine.read(f"{folder}/uevent") or "") or f"{folder.parent.name}"
        cards[address] = Gpu(
            vendor="amd",
            index=0,
            name=(machine.read(f"{folder}/product_name") or "").strip() or "AMD GPU",
            memory_bytes=int(total),
            used_bytes=_number(machine.read(f"{folder}/mem_info_vram_used")),
            architecture=_kfd_architecture(machine, address=address),
            pci_address=address,
            partition=_partition(machine, folder=str(folder)),
        )
    ordered = sorted(cards.values(), key=lambda gpu: natural(gpu.pci_address))
    return tuple(replace(gpu, index=index) for index, gpu in enumerate(ordered))


def _slot(uevent: str) -> str:
    found = re.search(r"^PCI_SLOT_NAME=(\S+)", uevent, re.M)
    return found[1].lower() if found else ""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def _partition(machine: Machine, *, folder: str) -> str:
    """Return how an Instinct is divided; SPX with NPS1 is one whole GPU."""
    compute = (machine.read(f"{folder}/current_compute_partition") or "").strip()
    memory = (machine.read(f"{folder}/current_memory_partition") or "").strip()
    parts = [part for part in (compute, memory) if part and part not in {"SPX", "NPS1", "UNKNOWN"}]
    return "/".join(parts)


def _kfd_architecture(machine: Machine, *, address: str) -> str:
    """Return ``gfx942`` for a PCI address, from the compute driver's list of nodes."""
    found = re.fullmatch(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", address)
    if not found:
        return ""
    domain, bus, slot, function = (int(part, 16) for part in found.groups())
    location = bus << 8 | slot << 3 | function
    for path in machine.find("/sys/class/kfd/kfd/topology/nodes/*/properties"):
        values = dict(
            line.split(" ", 1) for line in (machine.read(path) or "").splitlines() if " " in line
        )
        same = values.get("location_id") == str(location)
        if same and int(values.get("domain", "0")) == domain:
            return gfx_name(int(values.get("gfx_target_version", "0")))
    return ""


def gfx_name(version: int) -> str:
    """Return ``gfx942`` for 90402, ``gfx1100`` for 110000; empty for 0, which is a CPU."""
    if version == 0:
        return ""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}"


def _read_tool(output: ToolOutput | None, *, tool: str, parse: Any) -> _ToolReading | None:
    if output is None:
        return None
    try:
        gpus, driver = parse(output.stdout)
    except (ValueError, TypeError, AttributeError, KeyError):
        gpus, driver = (), ""
    if output.code != 0 or not gpus:
        found = output.complaint or f"exit {output.code}, and no GPU named"
        return _ToolReading(tool=tool, problem=f"{tool} fails: {found}")
    return _ToolReading(tool=tool, gpus=gpus, driver=driver)


def _json_in(text: str) -> Any:
    """Return the JSON that a tool printed, with warnings before or behind it."""
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if not starts:
        raise ValueError("no JSON")
    return json.JSONDecoder().raw_decode(text[min(starts) :])[0]


def parse_amd_smi(text: str) -> tuple[tuple[_Named, ...], str]:
    """Return the GPUs and the driver's version of ``amd-smi static --json``.

    Newer ones wrap the list into an object, ``gpu_data``.
    """
    data = _json_in(text)
    entries = data["gpu_data"] if isinstance(data, dict) else data
    gpus, driver = [], ""
    for entry in entries:
        asic, vram = entry.get("asic", {}), entry.get("vram", {})
        size = vram.get("size") or {}
        version = str(_said(entry.get("driver", {}).get("version")))
        driver = driver or version
        gpus.append(
            _Named(
                name=str(_said(asic.get("market_name"))),
                memory_bytes=_bytes(size),
                architecture=str(_said(asic.get("target_graphics_version"))),
                pci_address=str(_said(entry.get("bus", {}).get("bdf"))).lower(),
            )
        )
    return tuple(gpus), driver


def _said(value: object) -> object:
    return "" if value is None or str(value).upper() == "N/A" else value


def _bytes(size: Mapping[str, Any] | str | int) -> int:
    """Return bytes of ``{"value": 196592, "unit": "MB"}`` or, of older ones, of ``"196592 MB"``."""
    if not isinstance(size, Mapping):
        number, _, unit = str(size).partition(" ")
        size = {"value": number, "unit": unit or "MB"}
    value = str(size.get("value", ""))
    return int(value) * _UNITS.get(str(size.get("unit")), 1) if value.isdigit() else 0


def parse_rocm_smi(text: str) -> tuple[tuple[_Named, ...], str]:
    """Return the GPUs and the driver's version of ``rocm-smi --json``; keys differ by its age."""
    data: dict[str, dict[str, Any]] = _json_in(text)
    cards = sorted((card for card in data if re.fullmatch(r"card\d+", card)), key=natural)
    gpus = []
    for card in cards:
        values = {key.lower(): str(value) for key, value in data[card].items()}
        memory = values.get("vram total memory (b)", "0")
        series = values.get("card series", "")
        gpus.append(
            _Named(
                name=series if not series.startswith("0x") else values.get("card model", ""),
                memory_bytes=int(memory) if memory.isdigit() else 0,
                architecture=values.get("gfx version", ""),
                pci_address=values.get("pci bus", "").lower(),
            )
        )
    return tuple(gpus), str(data.get("system", {}).get("Driver version", ""))


def parse_rocminfo(text: str) -> tuple[tuple[_Named, ...], str]:
    """Return the GPU agents of ``rocminfo``: name, architecture, largest memory pool."""
    gpus = []
    for agent in re.split(r"^Agent \d+", text, flags=re.M)[1:]:
        if not re.search(r"Device Type:\s+GPU", agent):
            continue
        name = re.search(r"^\s*Marketing Name:[ \t]*(.*)$", agent, re.M)
        architecture = re.search(r"^\s*Name:\s+(gfx\w+)", agent, re.M)
        pools = [int(size) for size in re.findall(r"Size:\s+(\d+)\(0x[0-9a-f]+\) KB", agent)]
        gpus.append(
            _Named(
                name=name[1].strip() if name else "",
                memory_bytes=max(pools, default=0) * 1024,
                architecture=architecture[1] if architecture else "",
            )
        )
    return tuple(gpus), ""


def _named(cards: tuple[Gpu, ...], tools: Iterable[_ToolReading]) -> tuple[Gpu, ...]:
    """Return the cards with names and architectures of the first tool that knows them."""
    named = list(cards)
    for tool in tools:
        by_address = {gpu.pci_address: gpu for gpu in tool.gpus if gpu.pci_address}
        for place, card in enumerate(named):
            told = by_address.get(card.pci_address)
            if told is None and not by_address and len(tool.gpus) == len(cards):
                told = tool.gpus[place]
            if told is not None:
                named[place] = replace(
                    card,
                    name=told.name if card.name == "AMD GPU" and told.name else card.name,
                    architecture=card.architecture or told.architecture,
                )
    return tuple(named)


def _from_tools(tools: Iterable[_ToolReading]) -> tuple[Gpu, ...]:
    for tool in tools:
        if tool.gpus:
            return tuple(
                Gpu(
                    vendor="amd",
                    index=index,
                    name=told.name or "AMD GPU",
                    memory_bytes=told.memory_bytes,
                    architecture=told.architecture,
                    pci_address=told.pci_address,
                )
                for index, told in enumerate(tool.gpus)
            )
    return ()


def _plugged_in(machine: Machine) -> bool:
    """Is there an AMD GPU on the PCI bus, whatever the driver says?"""
    return any(
        (machine.read(path) or "").strip() == _VENDOR_ID
        and (machine.read(path.replace("/vendor", "/class")) or "")[:4] in {"0x03", "0x12"}
        for path in machine.find("/sys/bus/pci/devices/*/vendor")
    )


def _module_loaded(machine: Machine) -> bool:
    return machine.read("/sys/module/amdgpu/initstate") is not None


def _module_version(machine: Machine) -> str:
    """Return the version of AMD's own package; the kernel's own amdgpu has none."""
    return (machine.read("/sys/module/amdgpu/version") or "").strip()


def rocm_version(machine: Machine) -> str:
    """Return ROCm's version: its own file, else what amd-smi says."""
    for path in ("/opt/rocm/.info/version", *machine.find("/opt/rocm-*/.info/version")):
        found = re.match(r"\d+(\.\d+)+", (machine.read(path) or "").strip())
        if found:
            return found[0]
    output = machine.run(*AMD_SMI_VERSION)
    found = re.search(r'"rocm_version":\s*"([\d.]+)"', output.stdout) if output else None
    return found[1] if found else ""


def _problems(
    machine: Machine, *, gpus: tuple[Gpu, ...], loaded: bool, tools: list[_ToolReading]
) -> Iterable[Problem]:
    """Yield what is wrong with the driver; that a device is missing or closed is said elsewhere.

    Where it is, the tools fail of that.
    """
    kfd = machine.device(KFD)
    if gpus and (kfd is None or not kfd.writable):
        return
    if not gpus:
        yield _no_gpu(kfd, loaded=loaded)
    for tool in tools:
        if tool.problem:
            yield Problem(kind="tool", said=tool.problem)


def _no_gpu(kfd: Device | None, *, loaded: bool) -> Problem:
    if kfd is not None and not kfd.writable:
        said = f"No GPU is seen, and this user may not use {KFD} (group {kfd.group})."
        return Problem(kind="rights", said=said)
    if not loaded:
        said = "An AMD GPU is plugged in and the amdgpu driver isn't loaded."
        return Problem(kind="not loaded", said=said)
    return Problem(kind="no GPU", said="The amdgpu driver is loaded and knows no GPU (see dmesg).")
