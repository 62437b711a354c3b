"""Weights are checked by their headers: what is cut off, changed or missing is named."""

import json
from pathlib import Path

import pytest

from deploy.models.safetensors_files import INDEX, WeightsError, read_header, read_weights
from tests.unit.models.model_repository import BIG, SMALL, make_repository, noise, safetensors

CHECKPOINT = Path(__file__).resolve().parents[3] / "deploy" / "demo_model" / "checkpoint"


@pytest.fixture
def folder(tmp_path):
    return make_repository(tmp_path / "model")


def problem(folder):
    with pytest.raises(WeightsError) as caught:
        read_weights(folder)
    return str(caught.value)


def test_a_real_checkpoint_is_right():
    tensors = read_weights(CHECKPOINT)
    assert {tensor.dtype for tensor in tensors.values()} == {"F32"}
    assert len(tensors) > 50


def test_several_files_are_right(folder):
    assert read_weights(folder).keys() == {"a", "b", "c"}


def test_a_file_that_is_cut_off(folder):
    content = (folder / BIG).read_bytes()
    (folder / BIG).write_bytes(content[:-7])
    assert problem(folder) == f"{BIG} is cut off: 7 bytes are missing."
    (folder / BIG).write_bytes(content[:20])
    assert problem(folder) == f"{BIG} is no safetensors file, or is cut off in its header."
    (folder / BIG).write_bytes(b"")
    assert problem(folder) == f"{BIG} is no safetensors file, or is cut off in its header."


def test_a_file_with_something_behind(folder):
    with (folder / BIG).open("ab") as file:
        file.write(b"12")
    assert problem(folder) == f"{BIG} is damaged: 2 bytes too many."


@pytest.mark.parametrize("byte", [9, 30])
def test_a_header_that_is_damaged(folder, byte):
    content = bytearray((folder / SMALL).read_bytes())
    content[byte] = 0
    (folder / SMALL).write_bytes(content)
    assert problem(folder) == f"{SMALL} has a header that can't be read."


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 200_000,
        b'{"w":{"dtype":"U8","shape":[1e999],"data_offsets":[0,3]}}',
        b'{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,-1e999]}}',
    ],
)
def test_a_header_that_json_takes_and_nobody_can(folder, header):
    (folder / SMALL).write_bytes(len(header).to_bytes(8, "little") + header + b"123")
    assert problem(folder) == f"{SMALL} has a header that can't be read."


def test_an_index_that_is_too_deep(folder):
    (folder / INDEX).write_text("[" * 200_000)
    assert problem(folder) == f"{INDEX} can't be read."


def test_a_shape_that_does_not_fit_its_bytes(folder):
    content = (folder / SMALL).read_bytes()
    (folder / SMALL).write_bytes(content.replace(b'"U8", "shape": [20]', b'"U8", "shape": [21]'))
    assert problem(folder) == f"{SMALL} is damaged: its header is wrong about b."


def test_a_missing_file(folder):
    (folder / BIG).unlink()
    assert problem(folder) == f"{BIG} is missing: {INDEX} names it."


def test_a_missing_tensor_and_one_that_nobody_named(folder):
    (folder / SMALL).write_bytes(safetensors({"a": noise(300)}))
    assert problem(folder) == f"{SMALL} lacks b, which {INDEX} says is there."
    (folder / SMALL).write_bytes(safetensors({"a": noise(3), "b": noise(2), "d": noise(1)}))
    assert problem(folder) == f"{SMALL} holds d, which {INDEX} does not name."


def test_an_index_that_cannot_be_read_or_is_missing(folder):
    (folder / INDEX).write_text(json.dumps({"weights": {}}))
    assert problem(folder) == f"{INDEX} can't be read."
    (folder / INDEX).unlink()
    assert problem(folder) == f"{folder} has 2 files of weights and no {INDEX}."


def test_numbers_of_less_than_a_byte(tmp_path):
    header = b'{"w":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}}'
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"123")
    assert read_header(tmp_path / "w.safetensors")["w"].shape == (3, 2)
