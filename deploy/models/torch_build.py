"""Which device the installed torch was built for, without importing it (that takes seconds)."""

import runpy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deploy.models.serving import Device

_REQUIREMENTS: Final = "deploy/requirements/vllm-rocm.txt"


class BuildUnusable(RuntimeError):
    """vLLM can't run here with this torch; the message is a sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class GpuDevices:
    """Which drivers' device files this machine has."""

    amd: bool
    nvidia: bool


def torch_build() -> Device:
    """Return the device of this interpreter's torch.

    Its version's suffix doesn't tell: vLLM's own ROCm builds end in ``+git…``.

    Raises:
        BuildUnusable: there is none.
    """
    found = find_spec("torch")
    if found is None or not found.submodule_search_locations:
        raise BuildUnusable(
            "vLLM is not installed for this Python: ./scripts/quickstart.sh installs it for a CPU, "
            "deploy/requirements/ says how for GPUs."
        )
    values = runpy.run_path(str(Path(found.submodule_search_locations[0]) / "version.py"))
    if values.get("hip"):
        return "rocm"
    return "cuda" if values.get("cuda") else "cpu"


def gpu_devices(root: Path = Path("/")) -> GpuDevices:
    """Return which there are. ``/dev/dxg`` is the GPU of a Windows below, always NVIDIA's way."""
    nvidia = (root / "dev/nvidiactl").exists() or (root / "dev/dxg").exists()
    return GpuDevices(amd=(root / "dev/kfd").exists(), nvidia=nvidia)


def refuse_mismatch(build: Device, devices: GpuDevices) -> None:
    """Refuse a torch that can't use this machine's GPU.

    Raises:
        BuildUnusable: it was built for another one.
    """
    if build == "cuda" and devices.amd and not devices.nvidia:
        raise BuildUnusable(
            "The installed torch is built for CUDA and this machine has an AMD GPU: remove "
            f".venv-vllm and install vLLM for ROCm with Python 3.12 as {_REQUIREMENTS} says."
        )
    if build == "rocm" and not devices.amd:
        raise BuildUnusable(
            "The installed torch is built for ROCm and /dev/kfd is missing: load the amdgpu "
            "driver, or give the container --device /dev/kfd --device /dev/dri."
        )
