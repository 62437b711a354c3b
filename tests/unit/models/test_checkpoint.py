"""What is known of a model by folder or by name; what is damaged is said in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.models.checkpoint import ModelUnknown, describe, downloaded_models, weight_bytes
from deploy.models.safetensors_files import INDEX
from tests.unit.models.model_repository import BIG, make_repository, safetensors

ROOT = Path(__file__).resolve().parents[3]
CHECKPOINT = ROOT / "deploy" / "demo_model" / "checkpoint"
SIZES = dict.fromkeys(("hidden_size", "num_hidden_layers", "num_attention_heads"), 4)


@pytest.fixture
def folder(tmp_path):
    """A folder with the demo's configuration, and 1320 bytes of weights in two files."""
    folder = make_repository(tmp_path / "model", big_bytes=1000)
    (folder / "config.json").write_text((CHECKPOINT / "config.json").read_text())
    return folder


def test_a_folder_is_measured_by_its_files(folder):
    described = describe(str(folder))
    assert described.shape.weight_bytes == 1320
    assert described.source == str(folder)
    assert not described.estimated
    assert described.missing_bytes == 0


def test_a_file_that_the_index_does_not_name_is_not_counted(folder):
    (folder / "consolidated.safetensors").write_bytes(safetensors({"c": bytes(500)}))
    assert weight_bytes(folder) == 1320


def test_without_an_index_every_file_is_counted(folder):
    (folder / INDEX).unlink()
    (folder / BIG).unlink()
    assert weight_bytes(folder) == 320


def test_a_short_name_without_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    described = describe("qwen2.5-vl-7b")
    assert described.source == "the catalogue"
    assert described.shape.weight_bytes == described.missing_bytes == 16_584_333_312
    assert describe("smolvlm").estimated
    assert describe("SmolVLM").known.name == "smolvlm"


def test_a_short_name_with_its_folder(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "smolvlm").symlink_to(folder)
    described = describe("smolvlm")
    assert described.shape.weight_bytes == 1320
    assert described.known.name == "smolvlm"
    assert downloaded_models() == {"smolvlm"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "is not JSON: download the model again"),
        ("config.json", "[]", "is not a JSON object"),
        ("config.json", "{}", "can't be judged: config.json has no hidden_size"),
        ("config.json", "[" * 200_000, "is not JSON"),
        ("config.json", '{"text_config": 7}', "is no JSON object"),
        ("config.json", json.dumps(SIZES | {"head_dim": [1]}), "it is not as a model's should be"),
        (INDEX, "{}", "index.json can't be read; download the model again"),
        (BIG, "short", "no safetensors file, or is cut off in its header; download the model"),
    ],
)
def test_damaged_files(folder, name, content, said):
    (folder / name).write_text(content)
    with pytest.raises(ModelUnknown, match=said):
        describe(str(folder))


def test_weights_that_are_cut_off_or_missing(folder):
    content = (folder / BIG).read_bytes()
    (folder / BIG).write_bytes(content[:-7])
    with pytest.raises(ModelUnknown, match="is cut off: 7 bytes are missing; download the model"):
        describe(str(folder))
    (folder / BIG).unlink()
    with pytest.raises(ModelUnknown, match=f"{BIG} is missing: download the model again"):
        describe(str(folder))


def test_no_weights(folder):
    for path in folder.glob("*.safetensors*"):
        path.unlink()
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
