"""Reading GPUs: what drivers say, and what they don't.

The libraries are stood in for, since the machines that run tests have no GPU; the calls are those
of their documentation.
"""

from types import SimpleNamespace

from apps.inference import gpus
from apps.inference.gpus import Gpu


class NvmlError(Exception):
    pass


def nvml(**changes):
    def unsupported(*_):
        raise NvmlError

    calls = {
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _: "NVIDIA H100",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=10, total=80),
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=93),
        "nvmlDeviceGetTemperature": lambda _, sensor: 61,
        "nvmlDeviceGetPowerUsage": unsupported,
    }
    return SimpleNamespace(**(calls | changes))


def test_nvidia_in_our_units_with_what_it_does_not_say_left_out():
    assert gpus.read_nvidia(nvml()) == [
        Gpu(name="NVIDIA H100", use=0.93, memory_used=10, memory_total=80, temperature=61)
    ]
    (gpu,) = gpus.read_nvidia(nvml(nvmlDeviceGetPowerUsage=lambda _: 540_000))
    assert gpu.power == 540


def test_amd_in_our_units_and_not_available_is_none():
    smi = SimpleNamespace(
        AmdSmiMemoryType=SimpleNamespace(VRAM=0),
        AmdSmiTemperatureType=SimpleNamespace(HOTSPOT=1),
        AmdSmiTemperatureMetric=SimpleNamespace(CURRENT=0),
        amdsmi_get_processor_handles=lambda: ["one"],
        amdsmi_get_gpu_activity=lambda _: {"gfx_activity": 50},
        amdsmi_get_power_info=lambda _: {
            "current_socket_power": "N/A",
            "average_socket_power": 300,
        },
        amdsmi_get_gpu_asic_info=lambda _: {"market_name": "AMD Instinct MI300X"},
        amdsmi_get_gpu_memory_usage=lambda *_: 7,
        amdsmi_get_gpu_memory_total=lambda *_: 192,
        amdsmi_get_temp_metric=lambda *_: "N/A",
    )
    assert gpus.read_amd(smi) == [
        Gpu(name="AMD Instinct MI300X", use=0.5, memory_used=7, memory_total=192, power=300)
    ]


def test_a_driver_that_fails_is_no_gpu_and_no_error(monkeypatch, caplog):
    def fail():
        raise NvmlError

    monkeypatch.setattr(gpus, "_reader", lambda: fail)
    assert gpus.read_gpus() == []
    assert "NvmlError" in caplog.text


def test_a_host_without_any_library_has_none(monkeypatch):
    monkeypatch.setattr(gpus, "_reader", lambda: None)
    assert gpus.read_gpus() == []
