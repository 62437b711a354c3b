"""What is found on each recorded machine (``machines/README.md`` says where they come from)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.hardware.facts import Facts, read_facts
from deploy.hardware.findings import Finding
from deploy.hardware.gpus import Gpu, VendorReading
from deploy.hardware.judge_gpus import judge_gpus
from deploy.hardware.judge_model import ModelWish, judge_model, verdict_on
from deploy.hardware.judge_system import judge_system
from deploy.hardware.sources import Device, RecordedMachine
from deploy.models.catalogue import find_model
from deploy.models.checkpoint import by_catalogue

MACHINES = Path(__file__).parent / "machines"
MI300X_BYTES = 196592 * 1024**2


def facts_of(name: str, *, ports: tuple[int, int] | None = None) -> Facts:
    return read_facts(RecordedMachine(MACHINES / name), disk_folder="~/models", ports=ports)


def wish(
    model: str = "qwen2.5-vl-32b", *, gpus: int = 1, context: int = 4096, dtype: str = ""
) -> ModelWish:
    return ModelWish(
        described=by_catalogue(find_model(model)),
        dtype=dtype,
        context=context,
        gpus=gpus,
        utilization=0.9,
        cpu_cache_bytes=1024**3,
    )


def findings_of(facts: Facts, **wished: object) -> list[Finding]:
    return [
        *judge_gpus(facts),
        *judge_system(facts),
        *judge_model(wish(**wished), facts),
    ]


def with_cards(facts: Facts, *cards: Gpu) -> Facts:
    return replace(facts, nvidia=replace(facts.nvidia, gpus=cards))


def only(findings: list[Finding], group: str, status: str = "failed") -> Finding:
    (found,) = [one for one in findings if one.group == group and one.status == status]
    return found


def blocked(findings: list[Finding]) -> list[str]:
    return [finding.group for finding in findings if finding.status == "failed"]


class TestMi300x:
    def test_what_there_is(self):
        facts = facts_of("mi300x")
        assert facts.device == "rocm"
        assert [(gpu.index, gpu.name, gpu.architecture) for gpu in facts.gpus] == [
            (0, "AMD Instinct MI300X", "gfx942"),
            (1, "AMD Instinct MI300X", "gfx942"),
        ]
        assert [gpu.pci_address for gpu in facts.gpus] == ["0000:05:00.0", "0000:26:00.0"]
        assert {gpu.memory_bytes for gpu in facts.gpus} == {MI300X_BYTES}
        assert {gpu.partition for gpu in facts.gpus} == {""}
        assert facts.amd.driver.version == "6.16.6"
        assert facts.amd.driver.runtime == "7.1.0"
        assert facts.amd.driver.source == "sysfs"
        assert facts.system.processor.cpus == 384
        assert facts.system.processor.numa_nodes == 2

    def test_the_default_model_fits_with_room_for_a_hundred_sessions(self):
        findings = findings_of(facts_of("mi300x"))
        assert blocked(findings) == []
        assert "66.9 GB of weights fit on one GPU of 206 GB" in only(findings, "Model", "ok").found
        verdict = verdict_on(wish(), facts_of("mi300x"))
        assert verdict.fit.sessions == verdict.fit.cache_tokens // 4096
        assert 90 <= verdict.fit.sessions <= 110

    def test_numa_balancing_is_advised_against(self):
        found = only(findings_of(facts_of("mi300x")), "Kernel", "warning")
        assert "kernel.numa_balancing=0" in found.mend

    def test_two_gpus_share_a_model(self):
        verdict = verdict_on(wish(gpus=2), facts_of("mi300x"))
        assert verdict.place.gpus == 2
        assert verdict.fit.weight_bytes == 66_905_436_672 // 2

    def test_more_gpus_than_there_are(self):
        findings = findings_of(facts_of("mi300x"), gpus=4)
        assert only(findings, "Model").mend == "Set TENSOR_PARALLEL_SIZE=2."

    def test_a_longer_context_than_the_model_has(self):
        findings = findings_of(facts_of("mi300x"), context=200_000)
        assert only(findings, "Model").mend == "Set MODEL_MAX_TOKENS=128000 or less."

    def test_a_divided_one(self):
        facts = facts_of("mi300x_divided")
        assert facts.gpus[0].partition == "CPX/NPS4"
        findings = findings_of(facts)
        assert "(SPX)" in only(findings, "GPU", "warning").mend
        mend = only(findings, "Model").mend
        assert mend.endswith(" Or: It would take 4 GPUs of 25.8 GB.")
        assert "TENSOR_PARALLEL_SIZE" not in mend


class TestConsumerCard:
    def test_what_there_is(self):
        facts = facts_of("rx7900xtx", ports=(40000, 40100))
        assert [gpu.architecture for gpu in facts.amd.gpus] == ["gfx1100", "gfx1036"]
        assert [gpu.index for gpu in facts.gpus] == [0]
        assert facts.gpus[0].name == "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]"
        assert facts.gpus[0].used_bytes == 1_762_021_376
        assert facts.amd.driver.version == "6.8.0-60-generic"

    def test_what_to_do(self):
        findings = findings_of(facts_of("rx7900xtx", ports=(40000, 40100)))
        assert blocked(findings) == ["Rights", "Rights", "Model", "Disk"]
        rights = [one.mend for one in findings if one.group == "Rights"]
        give = "Give the user these groups and log in again: sudo usermod -a -G video,render USER;"
        assert rights == [
            f"{give} start a container with --device /dev/kfd --group-add render.",
            f"{give} start a container with --device /dev/dri --group-add render.",
        ]
        assert only(findings, "GPU", "warning").mend.endswith(
            "Hide it from vLLM: HIP_VISIBLE_DEVICES=0."
        )
        assert "ROCm 7" in only(findings, "ROCm", "warning").mend
        assert only(findings, "UDP", "warning").found.startswith("98 of the 101 ports")
        assert "set-ntp" in only(findings, "Clock", "warning").mend
        assert only(findings, "Disk", "warning").found.startswith("9.0 GB free")

    def test_models_that_fit_on_the_disk_too_are_named(self):
        findings = findings_of(facts_of("rx7900xtx"))
        mend = only(findings, "Model").mend
        assert "which fits as it is: qwen3-vl-4b, qwen2.5-vl-3b, smolvlm." in mend
        assert only(findings, "Disk").found == (
            "qwen2.5-vl-32b has 66.9 GB to download, and 9.0 GB are free at ~/models"
        )
        for name, room in (("qwen3-vl-8b", False), ("qwen3-vl-4b", True)):
            verdict = verdict_on(wish(name), facts_of("rx7900xtx"))
            assert (verdict.fit.fits, verdict.has_room) == (True, room)

    def test_a_model_that_fits_the_card_and_not_the_disk(self):
        findings = findings_of(facts_of("rx7900xtx"), model="qwen3-vl-8b")
        assert only(findings, "Disk").mend == (
            "Make room there, or make ~/models a link to a larger disk. Or: Take another model, "
            "which fits as it is: qwen3-vl-4b, qwen2.5-vl-3b, smolvlm."
        )

    def test_what_is_downloaded_already_needs_no_room(self):
        wished = wish("qwen3-vl-8b")
        there = replace(wished.described, missing_bytes=0)
        assert verdict_on(replace(wished, described=there), facts_of("rx7900xtx")).has_room
        downloaded = replace(wish(), downloaded=frozenset({"qwen3-vl-8b"}))
        advice = verdict_on(downloaded, facts_of("rx7900xtx")).advice
        assert any(": qwen3-vl-8b, qwen3-vl-4b" in one for one in advice)


class TestContainer:
    def test_the_tool_stands_in_for_a_hidden_sysfs(self):
        facts = facts_of("rocm_container")
        assert facts.gpus[0].name == "AMD Instinct MI300X VF"
        assert facts.gpus[0].memory_bytes == 196288 * 1024**2
        assert facts.gpus[0].architecture == ""
        assert facts.amd.driver.source == "amd-smi"
        assert facts.amd.driver.runtime == "6.3.0"
        assert facts.system.memory_limit_bytes == 137_438_953_472

    def test_missing_rights_are_said(self):
        findings = findings_of(facts_of("rocm_container"))
        assert blocked(findings) == ["Rights", "Rights"]
        mends = [finding.mend for finding in findings if finding.group == "Rights"]
        assert any("--device /dev/kfd --group-add render" in mend for mend in mends)

    def test_a_tool_that_fails_of_missing_rights_is_no_broken_driver(self):
        driver = [one for one in findings_of(facts_of("rocm_container")) if one.group == "Driver"]
        assert [one.status for one in driver] == ["ok"]

    def test_a_group_without_a_name_is_not_given_to_a_user(self):
        facts = facts_of("rocm_container")
        kfd = Device(readable=False, writable=False, group="992")
        facts = replace(facts, system=replace(facts.system, kfd=kfd))
        mend = next(one.mend for one in findings_of(facts) if "/dev/kfd (group 992)" in one.found)
        assert "-G video,render USER" in mend
        assert mend.endswith("--device /dev/kfd --group-add 992.")


class TestNvidia:
    @pytest.mark.parametrize(
        ("name", "card", "mebibytes", "sessions"),
        [("h100", "NVIDIA H100 80GB HBM3", 81559, 4), ("h200", "NVIDIA H200", 143771, 57)],
    )
    def test_one_that_works(self, name, card, mebibytes, sessions):
        facts = facts_of(name)
        assert facts.device == "cuda"
        assert [(gpu.name, gpu.architecture) for gpu in facts.gpus] == [(card, "9.0")]
        assert facts.gpus[0].memory_bytes == mebibytes * 1024**2
        assert facts.nvidia.driver.runtime == "13.0"
        assert facts.nvidia.driver.problems == ()
        assert blocked(findings_of(facts)) == []
        assert verdict_on(wish(), facts).fit.sessions == sessions

    def test_a_context_that_leaves_no_room(self):
        findings = findings_of(facts_of("h100"), context=32768)
        found = only(findings, "Model")
        assert "too little for one session of 32768 tokens" in found.found
        assert found.mend.startswith("Set MODEL_MAX_TOKENS=20224: ")
        assert "Or: Quantize it to 8 bits" in found.mend
        assert verdict_on(wish(context=20224), facts_of("h100")).fit.fits
        assert not verdict_on(wish(context=20480), facts_of("h100")).fit.fits

    def test_one_that_is_too_old_is_left_out(self):
        """Its driver need not be upgraded either: newer ones don't know it any more."""
        facts = facts_of("gtx1080")
        assert facts.nvidia.driver.runtime == ""
        assert (facts.gpus, facts.device) == ((), "cpu")
        assert [gpu.name for gpu in facts.too_old] == ["NVIDIA GeForce GTX 1080"]
        findings = findings_of(facts, model="smolvlm")
        assert blocked(findings) == []
        none, old = (one for one in findings if one.group == "GPU")
        assert none.found.startswith("none that vLLM can use: a model would run on the CPU")
        assert old.found.endswith("8.6 GB: too old for vLLM")
        assert old.mend.endswith("A model runs on the CPU here, or at VLLM_BASE_URL.")
        assert "in 30.7 GB of free RAM" in only(findings, "Model", "ok").found

    def test_a_driver_that_is_too_old_for_a_card_that_is_not(self):
        facts = facts_of("gtx1080")
        card = replace(facts.nvidia.gpus[0], architecture="7.5", used_bytes=2_000_000_000)
        findings = findings_of(with_cards(facts, card), model="smolvlm", dtype="bfloat16")
        assert only(findings, "Driver").mend.startswith("Upgrade it to 580")
        assert "2.0 GB in use" in only(findings, "GPU", "warning").found
        assert only(findings, "Model").mend == "Set MODEL_DTYPE=auto: vLLM takes float16 then."

    def test_cards_that_differ(self):
        facts = facts_of("h100")
        small = replace(facts.gpus[0], index=1, memory_bytes=24 * 1024**3)
        found = only(findings_of(with_cards(facts, facts.gpus[0], small)), "GPU", "warning")
        assert (
            found.mend == "Keep vLLM to those: CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0."
        )
        # Two of them share what fits on the smaller one twice.
        advice = verdict_on(
            wish("qwen3-vl-32b", context=64_000), with_cards(facts, facts.gpus[0], small)
        ).advice
        assert not any("TENSOR_PARALLEL_SIZE=2" in one for one in advice)

    def test_more_gpus_than_there_are_of_one_and_of_none(self):
        findings = findings_of(facts_of("h100"), gpus=4)
        assert only(findings, "Model").found == "TENSOR_PARALLEL_SIZE=4, and there is 1 usable GPU"
        assert only(findings, "Model").mend == "Set TENSOR_PARALLEL_SIZE=1."
        findings = findings_of(facts_of("no_gpu"), model="smolvlm", gpus=4)
        assert only(findings, "Model").mend == "Set TENSOR_PARALLEL_SIZE=1."

    def test_a_small_card_beside_another_makers_is_not_hidden(self):
        facts = facts_of("h100")
        small = Gpu(vendor="amd", index=0, name="Raphael", memory_bytes=2**29)
        facts = replace(facts, amd=VendorReading(gpus=(small,)))
        found = next(one for one in findings_of(facts) if "Raphael" in one.found)
        assert (found.status, found.mend) == ("ok", "")

    def test_memory_that_no_tool_tells(self):
        facts = facts_of("h100")
        card = replace(facts.gpus[0], memory_bytes=0, used_bytes=None)
        found = only(findings_of(with_cards(facts, card), model="smolvlm"), "GPU", "unknown")
        assert "its tool doesn't tell" in found.found


class TestBrokenDrivers:
    @pytest.mark.parametrize(
        ("name", "said", "mend"),
        [
            ("nvidia_broken", "Driver/library version mismatch", "Reboot: the driver was upgraded"),
            ("nvidia_hangs", "no answer within 20 s", "Reboot; if it hangs again"),
            ("amd_broken", "the amdgpu driver isn't loaded", "Load it: sudo modprobe amdgpu."),
        ],
    )
    def test_it_is_said_and_the_model_is_not_judged(self, name, said, mend):
        facts = facts_of(name)
        assert facts.broken
        findings = findings_of(facts)
        assert said in only(findings, "Driver").found
        assert only(findings, "Driver").mend.startswith(mend)
        assert "can't be judged before the GPU's driver works" in only(findings, "Model").found

    def test_rights_that_hide_every_gpu(self, tmp_path):
        kfd = {"readable": False, "writable": False, "group": "render"}
        (tmp_path / "machine.json").write_text(json.dumps({"devices": {"/dev/kfd": kfd}}))
        facts = read_facts(RecordedMachine(tmp_path), disk_folder="~/models", ports=None)
        assert facts.broken
        found = only(findings_of(facts), "Driver")
        assert found.found == "No GPU is seen, and this user may not use /dev/kfd (group render)."
        assert "usermod -a -G video,render" in found.mend

    def test_the_tools_own_words_are_kept(self):
        found = only(findings_of(facts_of("amd_broken")), "Driver").found
        assert "rocminfo fails: ROCk module is NOT loaded" in found
        assert "amd-smi fails: " in found
        assert "rocm-smi fails: " in found


class TestNoGpu:
    def test_a_tool_that_is_left_over_is_no_broken_driver(self):
        facts = facts_of("no_gpu")
        assert facts.nvidia.driver is None
        assert facts.device == "cpu"
        assert not facts.broken

    def test_what_to_do(self):
        findings = findings_of(facts_of("no_gpu"), dtype="float32")
        assert blocked(findings) == ["Model"]
        mend = only(findings, "Model").mend
        assert mend.startswith("Set MODEL_DTYPE=bfloat16: then it fits.")
        assert "which fits as it is: smolvlm, qwen2.5-vl-3b" in mend
        assert "VLLM_BASE_URL" in only(findings, "GPU", "warning").mend
        assert "AVX-512" in only(findings, "CPU", "warning").mend

    def test_without_a_dtype_the_one_that_fits_is_judged(self):
        found = only(findings_of(facts_of("no_gpu")), "Model", "ok").found
        assert "66.9 GB of weights in bfloat16 fit in 123 GB of free RAM" in found
        found = only(findings_of(facts_of("no_gpu"), model="smolvlm"), "Model", "ok").found
        assert "2.0 GB of weights in float32" in found

    def test_fp8_that_the_cpu_cannot_compute(self):
        found = only(findings_of(facts_of("no_gpu"), model="qwen3.6-35b-a3b-fp8"), "Model")
        assert found.found == "qwen3.6-35b-a3b-fp8 is in FP8, which this CPU can't compute"
        assert found.mend.startswith("Take another model")

    def test_a_processor_that_is_no_x86(self):
        facts = facts_of("no_gpu")
        processor = replace(facts.system.processor, x86=False, features=())
        facts = replace(facts, system=replace(facts.system, processor=processor))
        assert "x86_64" in only(findings_of(facts), "CPU", "warning").mend

    def test_a_small_model_fits_into_the_ram(self):
        findings = findings_of(facts_of("no_gpu"), model="smolvlm")
        assert blocked(findings) == []
        assert "in 123 GB of free RAM" in only(findings, "Model", "ok").found
