"""What is found on each recorded machine (``machines/README.md`` says where they come from)."""

from pathlib import Path

import pytest

from deploy.hardware.facts import Facts, read_facts
from deploy.hardware.findings import Finding
from deploy.hardware.judge_gpus import judge_gpus
from deploy.hardware.judge_model import ModelWish, judge_model, verdict_on
from deploy.hardware.judge_system import judge_system
from deploy.hardware.sources import RecordedMachine
from deploy.models.checkpoint import describe

MACHINES = Path(__file__).parent / "machines"
MI300X_BYTES = 196592 * 1024**2


def facts_of(name: str, *, ports: tuple[int, int] | None = None) -> Facts:
    return read_facts(RecordedMachine(MACHINES / name), disk_folder="~/models", ports=ports)


def wish(model: str = "qwen2.5-vl-32b", *, gpus: int = 1, context: int = 4096) -> ModelWish:
    return ModelWish(
        described=describe(model),
        dtype="",
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
        assert "TENSOR_PARALLEL_SIZE=4" in only(findings, "Model").mend


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
        assert blocked(findings) == ["Rights", "Rights", "Model"]
        rights = [one for one in findings if one.group == "Rights"]
        assert {one.mend for one in rights} == {
            "Give the user these groups and log in again: usermod -a -G video,render USER."
        }
        assert "HIP_VISIBLE_DEVICES" in only(findings, "GPU", "warning").mend
        assert "ROCm 7" in only(findings, "ROCm", "warning").mend
        assert only(findings, "UDP", "warning").found.startswith("98 of the 101 ports")
        assert "set-ntp" in only(findings, "Clock", "warning").mend
        assert only(findings, "Disk", "warning").found.startswith("9.0 GB free")

    def test_models_that_fit_are_named(self):
        mend = only(findings_of(facts_of("rx7900xtx")), "Model").mend
        assert "Take another model, which fits as it is: qwen3-vl-8b, qwen2.5-vl-7b" in mend
        for name in ("qwen3-vl-8b", "qwen2.5-vl-7b", "qwen3-vl-4b"):
            assert verdict_on(wish(name), facts_of("rx7900xtx")).fit.fits


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
        assert any("--device /dev/kfd" in mend for mend in mends)
        assert "rocminfo fails" in only(findings, "Driver", "warning").found


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

    def test_one_that_is_too_old(self):
        facts = facts_of("gtx1080")
        findings = findings_of(facts, model="smolvlm")
        assert facts.nvidia.driver.runtime == ""
        assert facts.gpus[0].partition == ""
        assert blocked(findings) == ["Driver", "GPU"]
        assert only(findings, "Driver").mend.startswith("Upgrade it to 580")
        assert "2.3 GB in use" in only(findings, "GPU", "warning").found


class TestBrokenDrivers:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nvidia_broken", "Driver/library version mismatch"),
            ("nvidia_hangs", "no answer within 20 s"),
            ("amd_broken", "the amdgpu driver isn't loaded"),
        ],
    )
    def test_it_is_said_and_the_model_is_not_judged(self, name, said):
        facts = facts_of(name)
        assert facts.broken
        findings = findings_of(facts)
        assert said in only(findings, "Driver").found
        assert "can't be judged before the GPU's driver works" in only(findings, "Model").found

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
        findings = findings_of(facts_of("no_gpu"))
        assert blocked(findings) == ["Model"]
        mend = only(findings, "Model").mend
        assert mend.startswith("Set MODEL_DTYPE=bfloat16: then it fits.")
        assert "which fits as it is: smolvlm, qwen2.5-vl-3b" in mend
        assert "VLLM_BASE_URL" in only(findings, "GPU", "warning").mend
        assert "AVX-512" in only(findings, "CPU", "warning").mend

    def test_a_small_model_fits_into_the_ram(self):
        findings = findings_of(facts_of("no_gpu"), model="smolvlm")
        assert blocked(findings) == []
        assert "in 123 GB of free RAM" in only(findings, "Model", "ok").found
