"""The demo checkpoint, really converted in each format, served by real vLLM and examined.

Guards: a format that this vLLM can't read or serves wrongly, a conversion that touches the vision
tower or costs more than two points of the original's accuracy.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import easy_vqa
import pytest

from deploy.models.conversion.formats import FORMATS
from deploy.models.safetensors_files import read_weights
from tests.stack import ROOT, Stack
from tests.vllm_server import CHECKPOINT, VllmForks, VllmServer

EASY_VQA = Path(easy_vqa.__file__).parent / "data"
MOST_LOST = 0.02
# Of each: enough that two points are several answers, few enough for two cores.
EASY_QUESTIONS = 200
SCENES = 12
PATIENCE = 600
# Three servers begin beside the platform's own, on two cores.
pytestmark = pytest.mark.timeout(1200)
# What vLLM says that it takes; by anything else it would not calculate in so many bits.
SCHEMES = {
    "fp8": "CompressedTensorsW8A8Fp8",
    "int8": "CompressedTensorsW8A8Int8",
    "int4": "CompressedTensorsWNA16",
}


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of right answers, word for word."""

    easy_vqa: float
    scenes: float


def arguments_for(target: Path, name: str) -> list[str]:
    """Return the script's arguments."""
    bits = str(FORMATS[name].bits)
    return [
        *("--model-path", str(CHECKPOINT), "--output", str(target)),
        *("--quantize", bits, "--format", name),
    ]


def convert(target: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run the script as an operator does, by a Python that is not its own."""
    return subprocess.run(
        [sys.executable, "scripts/convert_model.py", *arguments_for(target, name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def convert_all(folder: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Convert to several formats: to import llm-compressor takes longer than to convert."""
    arguments = [arguments_for(folder / name, name) for name in names]
    program = (
        "import json, sys; from deploy.models.conversion.cli import main\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    main(arguments, become_converter=lambda: None) and sys.exit(1)"
    )
    return subprocess.run(
        [str(ROOT / ".venv-convert" / "bin" / "python"), "-c", program, json.dumps(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def examine(base_url: str, folder: Path) -> Accuracy:
    """Ask a server easy-vqa's test questions and about scenes of ours."""
    folder.mkdir()
    return Accuracy(
        easy_vqa=_share_of_right(
            base_url, folder, "--easy-vqa", str(EASY_VQA), "--limit", str(EASY_QUESTIONS)
        ),
        scenes=_share_of_right(base_url, folder, "--scenes", str(SCENES)),
    )


def _share_of_right(base_url: str, folder: Path, *which: str) -> float:
    answers = folder / "answers.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "deploy.demo_model.evaluate", "--base-url", base_url, *which),
            *("--concurrency", "16", "--json", str(answers)),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    rows = json.loads(answers.read_text())
    assert len(rows) >= 80
    return sum(row["expected"] == row["answered"] for row in rows) / len(rows)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three converted folders: one by the script, two by what that runs, in one process."""
    folder = tmp_path_factory.mktemp("converted")
    first, *others = FORMATS
    for result in (convert(folder / first, first), convert_all(folder, others)):
        assert result.returncode == 0, result.stdout + result.stderr
        assert "Converted and checked in" in result.stdout
    return {name: folder / name for name in FORMATS}


@pytest.fixture(scope="module")
def servers(
    vllm_forks: VllmForks,
    converted: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, VllmServer]]:
    """A vLLM for each of them; they start beside each other."""
    logs = tmp_path_factory.mktemp("vllm")
    made = {
        name: VllmServer(logs / f"{name}.log", forks=vllm_forks, model=folder)
        for name, folder in converted.items()
    }
    try:
        for server in made.values():
            server.start()
        for name, server in made.items():
            server.wait(patience=PATIENCE)
            assert f"for {SCHEMES[name]}" in (logs / f"{name}.log").read_text()
        yield made
    finally:
        for server in made.values():
            server.kill()


@pytest.fixture(scope="module")
def original(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Accuracy:
    """What the checkpoint does as it is, in this very run."""
    facts = json.loads((stack.data_dir / "run" / "quickstart.json").read_text())
    return examine(facts["vllm_base_url"], tmp_path_factory.mktemp("original") / "answers")


@pytest.mark.parametrize("name", FORMATS)
def test_it_is_smaller_and_sees_by_the_same_eyes(converted: dict[str, Path], name: str):
    before, after = read_weights(CHECKPOINT), read_weights(converted[name])
    sizes = [
        (folder / "model.safetensors").stat().st_size for folder in (CHECKPOINT, converted[name])
    ]
    assert sizes[1] < 0.85 * sizes[0]
    eyes = {key: tensor.shape for key, tensor in before.items() if key.startswith("visual.")}
    assert eyes == {key: after[key].shape for key in eyes}
    assert not {key for key in after if key.startswith("visual.")} - eyes.keys()


def test_again_there_is_nothing_to_do(converted: dict[str, Path]):
    result = convert(converted["fp8"], "fp8")
    assert result.returncode == 0, result.stderr
    assert "nothing to do" in result.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_it_answers_as_well_as_the_original(
    servers: dict[str, VllmServer], original: Accuracy, tmp_path: Path, name: str
):
    assert original.easy_vqa > 0.98
    found = examine(servers[name].base_url, tmp_path / "answers")
    assert found.easy_vqa >= original.easy_vqa - MOST_LOST
    assert found.scenes >= original.scenes - MOST_LOST
