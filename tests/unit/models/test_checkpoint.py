"""What is known of a model by folder or by name; what is damaged is said in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.models.checkpoint import ModelUnknown, describe, weight_bytes

ROOT = Path(__file__).resolve().parents[3]
CHECKPOINT = ROOT / "deploy" / "demo_model" / "checkpoint"


@pytest.fixture
def folder(tmp_path):
    """A folder with the demo's configuration and an index that says 1000 bytes."""
    (tmp_path / "config.json").write_text((CHECKPOINT / "config.json").read_text())
    index = {"metadata": {"total_size": 1000}, "weight_map": {}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


def test_a_folder_is_measured_by_its_index(folder):
    described = describe(str(folder))
    assert described.shape.weight_bytes == 1000
    assert described.source == str(folder)
    assert not described.estimated


def test_without_an_index_by_its_files(folder):
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model.safetensors").write_bytes(b"x" * 77)
    assert weight_bytes(folder) == 77


def test_a_short_name_without_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    described = describe("qwen2.5-vl-7b")
    assert described.source == "the catalogue"
    assert described.shape.weight_bytes == 16_584_333_312
    assert describe("smolvlm").estimated


def test_a_short_name_with_its_folder(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "smolvlm").symlink_to(folder)
    described = describe("smolvlm")
    assert described.shape.weight_bytes == 1000
    assert described.known.name == "smolvlm"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "is not JSON: download the model again"),
        ("config.json", "[]", "is not a JSON object"),
        ("config.json", "{}", "can't be judged: config.json has no hidden_size"),
        ("model.safetensors.index.json", "{}", "is damaged: download the model again"),
        ("model.safetensors.index.json", "not json", "is damaged"),
    ],
)
def test_damaged_files(folder, name, content, said):
    (folder / name).write_text(content)
    with pytest.raises(ModelUnknown, match=said):
        describe(str(folder))


def test_no_weights(folder):
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelUnknown, match="holds no weights"):
        describe(str(folder))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("/no/such/folder", "has no checkpoint: /no/such/folder/config.json is missing"),
        ("./none", "has no checkpoint"),
        ("somebody/something", "Nothing is known of somebody/something: download it"),
    ],
)
def test_nothing_there(model, said):
    with pytest.raises(ModelUnknown, match=said):
        describe(model)


def test_the_list_of_names():
    done = subprocess.run(
        [sys.executable, "-m", "deploy.models"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "qwen2.5-vl-32b (default): Qwen/Qwen2.5-VL-32B-Instruct, 66.9 GB" in done.stdout
    assert "qwen3.6-35b-a3b-fp8: Qwen/Qwen3.6-35B-A3B-FP8, about 37.0 GB" in done.stdout
