"""How quickstart.sh learns what to start: by a name, a folder, or what a hub says."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.models.download.record import Record, write_record
from tests.chosen_model import choose_model, chosen_settings
from tests.stub_hub import Repository, StubHub, stub_hub

ROOT = Path(__file__).resolve().parents[3]
CHECKPOINT = ROOT / "deploy" / "demo_model" / "checkpoint"
NAME = "acme/Shapes-VL"


@pytest.fixture
def hub() -> Iterator[StubHub]:
    with stub_hub() as serving:
        yield serving


class Machine:
    """A machine without a GPU, and a hub."""

    def __init__(self, home: Path, hub: StubHub) -> None:
        self.home = home
        self.hub = hub
        self.environment: dict[str, str] = {}

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        return choose_model(name, home=self.home, hub_url=self.hub.url, **self.environment)

    def settings(self, name: str) -> dict[str, str]:
        return chosen_settings(self.run(name))

    def refusal(self, name: str) -> str:
        done = self.run(name)
        assert done.returncode == 1, done
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture
def machine(tmp_path: Path, hub: StubHub) -> Machine:
    return Machine(tmp_path, hub)


@pytest.fixture
def repository(tmp_path: Path, hub: StubHub) -> Path:
    folder = Path(shutil.copytree(CHECKPOINT, tmp_path / "repository"))
    hub.repositories[NAME] = Repository(folder=folder)
    return folder


def test_a_folder_needs_no_download(machine):
    settings = machine.settings(str(CHECKPOINT))
    assert settings == {
        "DOWNLOAD": "",
        "MODEL_DEVICE": "cpu",
        "MODEL_DTYPE": "float32",
        "MODEL_MAX_TOKENS": "4096",
        "MODEL_NAME": "checkpoint",
        "MODEL_PATH": str(CHECKPOINT),
        "MODEL_TIMEOUT_SECONDS": "600",
        "QUICKSTART_WAIT_SECONDS": "3600",
        "TENSOR_PARALLEL_SIZE": "1",
    }


def test_a_repository_is_judged_by_its_configuration_alone(machine, hub, repository):
    machine.environment |= {"MODEL_NAME": "mine", "MODEL_TIMEOUT_SECONDS": "30"}
    settings = machine.settings(NAME)
    assert settings["DOWNLOAD"] == NAME
    assert settings["MODEL_PATH"] == str(machine.home / "models" / "shapes-vl")
    assert (settings["MODEL_NAME"], settings["MODEL_TIMEOUT_SECONDS"]) == ("mine", "30")
    assert hub.ranges("model.safetensors") == []


def test_a_repository_that_is_too_large_is_refused_before_its_download(machine, hub, repository):
    sizes = {"model.safetensors": 10**14}
    hub.repositories[NAME] = Repository(folder=repository, sizes=sizes)
    said = machine.refusal(NAME)
    assert said.startswith("shapes-vl does not fit: its weights are 100000 GB (No GPU, ")
    assert hub.ranges("model.safetensors") == []


def test_a_name_in_a_configuration_is_no_setting(machine, hub, repository):
    config = json.loads((repository / "config.json").read_text())
    config["architectures"] = ["New\nLD_PRELOAD=/evil.so\nMODEL_PATH=/evil\x1b[2J"]
    (repository / "config.json").write_text(json.dumps(config))
    done = machine.run(NAME)
    assert done.returncode == 0, done
    assert "New LD_PRELOAD=/evil.so MODEL_PATH=/evil [2J is none of the families" in done.stdout
    assert machine.settings(NAME)["MODEL_PATH"] == str(machine.home / "models" / "shapes-vl")
    assert "\x1b" not in done.stdout


def test_what_cannot_be_judged(machine, hub, repository):
    (repository / "config.json").write_text('{"architectures": ["Strange"]}')
    said = machine.refusal(NAME)
    assert said == f"{NAME} can't be judged: config.json has no hidden_size of the language model."
    (repository / "config.json").unlink()
    said = machine.refusal(NAME)
    assert said == f"{NAME} is no model that vLLM can serve: it has no config.json."
    assert "is no model: give OWNER/REPOSITORY, or one of" in machine.refusal("qwen9")
    assert "… can't be read: File name too long." in machine.refusal("/" + "x" * 5000)
    assert "…' is no model: give OWNER/REPOSITORY" in machine.refusal("acme/" + "x" * 5000)


def test_a_model_that_came_from_another_hub_is_found(machine, hub):
    folder = machine.home / "models" / "smolvlm"
    shutil.copytree(CHECKPOINT, folder)
    record = Record(
        source="modelscope",
        repository="HuggingFaceTB/SmolVLM-500M-Instruct",
        revision="master",
        commit="master",
        sizes={},
    )
    write_record(folder, record=record)
    settings = machine.settings("smolvlm")
    assert (settings["DOWNLOAD"], settings["MODEL_PATH"]) == ("", str(folder))
    assert hub.seen == []
