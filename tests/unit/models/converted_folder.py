"""The demo checkpoint as a conversion leaves it, but that all numbers are zero: made in no time.

The real conversion runs in tests/e2e/test_converted_model.py.
"""

import json
import math
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

from deploy.models.conversion.formats import Shape, WeightFormat
from deploy.models.conversion.plan import make_plan
from deploy.models.safetensors_files import BITS, INDEX, read_weights
from tests.vllm_server import CHECKPOINT

Tensors = dict[str, tuple[str, Shape]]


def write_safetensors(path: Path, tensors: Mapping[str, tuple[str, Shape]]) -> None:
    """Write such a file; all numbers are zero."""
    header, at = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


def converted_tensors(weight_format: WeightFormat) -> Tensors:
    """What the tensors of the demo checkpoint become."""
    original = read_weights(CHECKPOINT)
    config = json.loads((CHECKPOINT / "config.json").read_text())
    plan = make_plan(config, original, format=weight_format)
    made: Tensors = {}
    for name, tensor in original.items():
        module = name.removesuffix(".weight")
        if module not in plan.layers:
            made[name] = (tensor.dtype, tensor.shape)
            continue
        parts = weight_format.tensors(plan.layers[module], group=plan.group)
        made |= {f"{module}.{part}": (dtype or "F32", s) for part, (dtype, s) in parts.items()}
    return made


def write_converted(
    folder: Path, weight_format: WeightFormat, *, tensors: Tensors | None = None
) -> Path:
    """Write such a folder, in two files of weights; other tensors than those it should have."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copy(CHECKPOINT / name, folder)
    config = json.loads((CHECKPOINT / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": weight_format.layout,
        "config_groups": {
            "group_0": {
                "weights": {
                    "num_bits": weight_format.bits,
                    "group_size": 64 if weight_format.bits == 4 else None,
                }
            }
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = converted_tensors(weight_format) if tensors is None else tensors
    names = sorted(tensors)
    halves = {
        "model-00001-of-00002.safetensors": names[: len(names) // 2],
        "model-00002-of-00002.safetensors": names[len(names) // 2 :],
    }
    for shard, held in halves.items():
        write_safetensors(folder / shard, {name: tensors[name] for name in held})
    weight_map = {name: shard for shard, held in halves.items() for name in held}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder
