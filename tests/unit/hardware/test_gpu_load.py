"""How busy the GPUs are: AMD's driver files, and nvidia-smi where its library isn't installed."""

import asyncio
import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from apps.inference import gpus
from apps.inference.gpus import Gpu
from deploy.benchmark.gpu_monitor import GpuMonitor
from deploy.hardware.gpu_load import QUERY, read_gpu_load, read_nvidia_smi
from deploy.hardware.sources import RecordedMachine, ToolOutput, file_name_of, transcript

GIB = 1024**3
H200 = Path(__file__).parent / "loads" / "h200"


def card(sysfs: Path, number: int, *, slot: str = "", **files: str) -> Path:
    """Make a GPU's folder as amdgpu does; ``hwmon_`` files lie where its sensors are."""
    device = sysfs / "class" / "drm" / f"card{number}" / "device"
    sensors = device / "hwmon" / "hwmon7"
    sensors.mkdir(parents=True)
    (sysfs / "class" / "drm" / f"card{number}-DP-1").mkdir()
    (device / "uevent").write_text(f"DRIVER=amdgpu\nPCI_SLOT_NAME={slot}\n" if slot else "")
    for name, text in files.items():
        folder = sensors if name.startswith("hwmon_") else device
        (folder / name.removeprefix("hwmon_")).write_text(f"{text}\n")
    return device


def mi300x(sysfs: Path, number: int, *, slot: str) -> Path:
    """One MI300X: no edge sensor, its junction's is the second."""
    return card(
        sysfs,
        number,
        slot=slot,
        gpu_busy_percent="93",
        mem_info_vram_total=str(192 * GIB),
        mem_info_vram_used=str(150 * GIB),
        product_name="AMD Instinct MI300X OAM",
        hwmon_power1_input="541000000",
        hwmon_temp2_label="junction",
        hwmon_temp2_input="61000",
        hwmon_temp3_label="mem",
        hwmon_temp3_input="70000",
    )


def test_sysfs_tells_all_of_an_instinct(tmp_path):
    mi300x(tmp_path, 1, slot="0000:05:00.0")
    assert gpus.read_sysfs(tmp_path) == [
        Gpu(
            name="AMD Instinct MI300X OAM",
            use=0.93,
            memory_used=150 * GIB,
            memory_total=192 * GIB,
            temperature=61,
            power=541,
        )
    ]


def test_sysfs_orders_by_address_and_passes_over_other_cards(tmp_path):
    mi300x(tmp_path, 1, slot="0000:85:00.0")
    card(
        tmp_path,
        2,
        slot="0000:03:00.0",
        gpu_busy_percent="0",
        mem_info_vram_total="16",
        mem_info_vram_used="1",
        hwmon_power1_average="30000000",
        hwmon_temp1_input="40000",
    )
    card(tmp_path, 0, slot="0000:00:02.0", product_name="somebody else's")  # No amdgpu: no VRAM.
    first, second = gpus.read_sysfs(tmp_path)
    assert first == Gpu(
        name="AMD GPU 0000:03:00.0",
        use=0,
        memory_used=1,
        memory_total=16,
        temperature=40,
        power=30,
    )
    assert second.name == "AMD Instinct MI300X OAM"


def test_what_a_sleeping_card_does_not_say_is_none(tmp_path):
    card(tmp_path, 0, mem_info_vram_total="16", gpu_busy_percent="")
    assert gpus.read_sysfs(tmp_path) == [Gpu(name="AMD GPU", memory_total=16)]


def test_a_host_without_a_library_is_read_by_sysfs(tmp_path, monkeypatch):
    mi300x(tmp_path, 0, slot="0000:05:00.0")
    monkeypatch.setattr(gpus, "SYSFS", tmp_path)
    gpus._reader.cache_clear()
    try:
        (gpu,) = read_gpu_load()
    finally:
        gpus._reader.cache_clear()
    assert gpu.use == 0.93


def machine(folder: Path, output: ToolOutput | None) -> RecordedMachine:
    """Return a machine with that nvidia-smi, or none."""
    (folder / "tools").mkdir()
    (folder / "machine.json").write_text("{}")
    if output is not None:
        path = folder / "tools" / file_name_of(QUERY)
        path.write_text(transcript(QUERY, output))
    return RecordedMachine(folder)


def test_nvidia_smi_in_our_units(tmp_path):
    text = "NVIDIA H100 80GB HBM3, 93, 61440, 81559, 55, 412.35\nTesla X, [N/A], 1, 2, 30, [N/A]\n"
    assert read_nvidia_smi(machine(tmp_path, ToolOutput(code=0, stdout=text))) == [
        Gpu(
            name="NVIDIA H100 80GB HBM3",
            use=0.93,
            memory_used=60 * GIB,
            memory_total=81559 * 1024**2,
            temperature=55,
            power=412.35,
        ),
        Gpu(name="Tesla X", memory_used=1024**2, memory_total=2 * 1024**2, temperature=30),
    ]


@pytest.mark.parametrize(
    "output",
    [
        None,
        ToolOutput(code=9, stdout="NVIDIA-SMI has failed because it couldn't communicate\n"),
        ToolOutput(code=None),
        ToolOutput(code=0, stdout="No devices were found\n"),
    ],
)
def test_no_gpu_where_nvidia_smi_tells_of_none(tmp_path, output):
    assert read_nvidia_smi(machine(tmp_path, output)) == []


def test_nvidia_smi_of_a_busy_h200():
    (gpu,) = read_nvidia_smi(RecordedMachine(H200))
    assert gpu == Gpu(
        name="NVIDIA H200",
        use=0.99,
        memory_used=1139 * 1024**2,
        memory_total=143771 * 1024**2,
        temperature=54,
        power=470.09,
    )


def test_the_benchmarks_samples_of_a_busy_h200_are_whole():
    samples = json.loads((H200 / "gpu_monitor.json").read_text())
    assert [round(later["at"] - sooner["at"]) for sooner, later in pairwise(samples)] == [1, 1, 1]
    for sample in samples:
        (gpu,) = [Gpu(**told) for told in sample["gpus"]]
        assert None not in asdict(gpu).values()
        assert gpu.use > 0.9
        assert 600 < gpu.power < 700
        assert gpu.memory_total == 143771 * 1024**2


async def test_the_benchmark_samples_them_while_it_measures(tmp_path):
    mi300x(tmp_path, 0, slot="0000:05:00.0")
    async with GpuMonitor(on=True, read_gpus=lambda: gpus.read_sysfs(tmp_path)) as monitor:
        async with asyncio.timeout(60):
            while not monitor.samples:
                await asyncio.sleep(0.01)
    (sample, *_) = monitor.samples
    assert sample["gpus"][0]["use"] == 0.93
    assert sample["gpus"][0]["power"] == 541
