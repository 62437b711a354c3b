"""How a model is started on a machine: the settings that are chosen, or what would fit instead."""

import dataclasses

import pytest

from deploy.hardware.facts import Facts
from deploy.hardware.gpus import DriverState, Gpu, Problem, VendorReading
from deploy.hardware.judge_model import ModelWish, verdict_on
from deploy.hardware.sources import Disk
from deploy.hardware.system import Processor, System
from deploy.model_choice.choice import DoesNotFit, choose, without_gpus
from deploy.models.catalogue import find_model
from deploy.models.checkpoint import by_catalogue

GB = 10**9


def machine(
    *memory,
    vendor="nvidia",
    free=200 * GB,
    features=("avx2", "avx512f"),
    disk=None,
    architecture="",
):
    """Return a machine with GPUs of so many GB, or with a CPU alone."""
    gpus = tuple(
        Gpu(
            vendor=vendor,
            index=index,
            name=f"a {vendor} card",
            memory_bytes=size * GB,
            architecture=architecture,
        )
        for index, size in enumerate(memory)
    )
    sides = {"amd": VendorReading(), "nvidia": VendorReading(), vendor: VendorReading(gpus=gpus)}
    system = System(
        os_name="Linux",
        processor=Processor(name="a CPU", cpus=8, numa_nodes=1, features=features),
        memory_bytes=2 * free,
        available_bytes=free,
        memory_limit_bytes=None,
        disk_folder="~/models",
        disk=None if disk is None else Disk(free=disk, total=1000 * GB),
        ports=None,
        clock_synchronised=True,
        numa_balancing=False,
        kfd=None,
        render=None,
    )
    return Facts(amd=sides["amd"], nvidia=sides["nvidia"], system=system)


def wish(name, **changes):
    model = find_model(name)
    assert model is not None
    values = {
        "described": by_catalogue(model),
        "dtype": "",
        "context": 4096,
        "gpus": 1,
        "utilization": 0.9,
        "cpu_cache_bytes": 1 << 30,
    }
    return ModelWish(**(values | changes))


def chosen(name, facts, settings=None, **changes):
    choice = choose(wish(name, **changes), facts, settings=settings or {})
    return choice.device, choice.gpus, choice.context, choice.dtype


def refusal(name, facts, settings=None, **changes):
    with pytest.raises(DoesNotFit) as caught:
        choose(wish(name, **changes), facts, settings=settings or {})
    return str(caught.value)


def test_one_large_gpu_takes_the_default_model():
    facts = machine(206, vendor="amd")
    assert chosen("qwen2.5-vl-32b", facts) == ("rocm", 1, 8192, "auto")


def test_a_smaller_gpu_takes_a_smaller_model():
    assert chosen("qwen2.5-vl-7b", machine(25)) == ("cuda", 1, 8192, "auto")


def test_gpus_share_what_is_too_large_for_one():
    assert chosen("qwen2.5-vl-32b", machine(25, 25, 25, 25)) == ("cuda", 4, 8192, "auto")


def test_a_context_is_shortened_before_the_model_is_refused():
    device, gpus, context, _ = chosen("qwen2.5-vl-7b", machine(22))
    assert (device, gpus) == ("cuda", 1)
    assert context < 8192


def test_what_does_not_fit_names_what_does():
    assert refusal("qwen2.5-vl-32b", machine(25)) == (
        "qwen2.5-vl-32b does not fit: its weights are 66.9 GB (a nvidia card, 25.0 GB). "
        "What fits: qwen3-vl-8b, qwen2.5-vl-7b, qwen3-vl-4b."
    )


def test_settings_that_were_given_are_kept():
    settings = {"MODEL_MAX_TOKENS": "3000", "MODEL_DTYPE": "float16", "TENSOR_PARALLEL_SIZE": "2"}
    facts = machine(25, 25)
    assert chosen("qwen2.5-vl-7b", facts, settings, context=3000, dtype="float16", gpus=2) == (
        "cuda",
        2,
        3000,
        "float16",
    )
    said = refusal("smolvlm", machine(), {"MODEL_MAX_TOKENS": "900000"}, context=900_000)
    assert said.startswith("No session of 900000 tokens (MODEL_MAX_TOKENS) fits beside smolvlm (No")


@pytest.mark.parametrize(
    ("free", "features", "dtype"),
    [
        (30 * GB, (), "float32"),
        (14 * GB, (), "bfloat16"),
        (30 * GB, ("avx512_bf16",), "bfloat16"),
    ],
)
def test_a_cpu_computes_in_what_it_can_and_has_room_for(free, features, dtype):
    facts = machine(free=free, features=features)
    assert chosen("qwen2.5-vl-3b", facts) == ("cpu", 1, 4096, dtype)
    # What scripts/check_hardware.sh judges where MODEL_DTYPE is empty.
    verdict = verdict_on(wish("qwen2.5-vl-3b"), facts)
    assert (verdict.dtype, verdict.serves) == (dtype, True)


def test_weights_that_are_float32_stay_so_on_a_cpu():
    described = by_catalogue(find_model("smolvlm"))
    shape = dataclasses.replace(described.shape, number_bytes=4)
    described = dataclasses.replace(described, shape=shape)
    facts = machine(features=("avx512_bf16",))
    assert chosen("smolvlm", facts, described=described)[3] == "float32"


def test_a_cpu_refuses_fp8_unless_it_has_amx():
    said = refusal("qwen3.6-35b-a3b-fp8", machine())
    assert said.startswith("qwen3.6-35b-a3b-fp8 is in FP8, which this CPU can't compute (No GPU, 8")
    assert "What fits: smolvlm, qwen2.5-vl-3b," in said
    facts = machine(features=("amx_bf16",))
    assert chosen("qwen3.6-35b-a3b-fp8", facts)[0] == "cpu"


def test_a_machine_where_nothing_fits():
    assert refusal("smolvlm", machine(free=2 * GB)).endswith(
        "No known model fits here: give VLLM_BASE_URL of a server elsewhere."
    )


def test_it_is_honest_about_a_cpu_a_broken_driver_and_a_strange_family():
    described = by_catalogue(find_model("smolvlm"))
    shape = dataclasses.replace(described.shape, architecture="NewForConditionalGeneration")
    described = dataclasses.replace(described, shape=shape)
    facts = machine()
    broken = DriverState(vendor="amd", problems=(Problem(kind="no GPU", said="None."),))
    facts = dataclasses.replace(facts, amd=VendorReading(driver=broken))
    notes = choose(wish("smolvlm", described=described), facts, settings={}).notes
    assert notes[0].startswith("No GPU, 8 CPUs, 200 GB free: smolvlm fits with about 2.0 GB of")
    assert [
        part in note
        for part, note in zip(
            ("driver does not work", "NewForConditionalGeneration", "Without a GPU it is slow"),
            notes[1:],
            strict=True,
        )
    ] == [True, True, True]


def test_a_disk_without_room_is_refused_and_what_has_room_is_named():
    facts = machine(25, disk=12 * GB)
    assert refusal("qwen2.5-vl-7b", facts) == (
        "qwen2.5-vl-7b has 16.6 GB to download, and 12.0 GB are free at ~/models: make room, or "
        "make it a link to a larger disk. What fits: qwen3-vl-4b, qwen2.5-vl-3b, smolvlm."
    )
    there = dataclasses.replace(by_catalogue(find_model("qwen2.5-vl-7b")), missing_bytes=0)
    assert chosen("qwen2.5-vl-7b", facts, described=there)[0] == "cuda"


def test_a_card_that_is_too_old_is_left_out_and_said():
    facts = machine(8, architecture="6.1")
    assert chosen("smolvlm", facts)[0] == "cpu"
    notes = choose(wish("smolvlm"), facts, settings={}).notes
    assert notes[1] == "Too old for vLLM, so left out: a nvidia card."


def test_a_driver_that_is_too_old_is_said_before_anything_is_installed():
    facts = machine(25)
    old = DriverState(vendor="nvidia", version="535.183", source="nvidia-smi")
    facts = dataclasses.replace(facts, nvidia=dataclasses.replace(facts.nvidia, driver=old))
    assert refusal("smolvlm", facts) == (
        "The GPU can't be used yet (Driver: NVIDIA 535.183). Upgrade it to 580 or newer: vLLM's "
        "wheel brings CUDA 13. Or set VLLM_DEVICE=cpu."
    )
    assert chosen("smolvlm", without_gpus(facts))[0] == "cpu"


def test_gpus_can_be_left_out():
    assert chosen("smolvlm", without_gpus(machine(80)))[0] == "cpu"
