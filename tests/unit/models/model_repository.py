"""A small model's repository, as a hub would hold it: whole enough to pass every check."""

import hashlib
import json
import struct
from pathlib import Path

BIG = "model-00002-of-00002.safetensors"
SMALL = "model-00001-of-00002.safetensors"
# The client keeps what has arrived in blocks of 10 MiB.
BIG_BYTES = 24_000_000


def safetensors(tensors: dict[str, bytes]) -> bytes:
    """Return a safetensors file with these tensors, each a row of U8."""
    header, at = {}, 0
    for name, data in tensors.items():
        place = [at, at + len(data)]
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": place}
        at += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def noise(size: int) -> bytes:
    """Return bytes that differ from place to place, the same ones each time."""
    return hashlib.shake_128(b"weights").digest(size)


def make_repository(folder: Path, *, big_bytes: int = 200_000) -> Path:
    """Write the repository's files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SMALL).write_bytes(safetensors({"a": noise(300), "b": noise(20)}))
    (folder / BIG).write_bytes(safetensors({"c": noise(big_bytes)}))
    index = {"weight_map": {"a": SMALL, "b": SMALL, "c": BIG}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"architectures": ["Tiny"]}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "LICENSE").write_text("Do what you like.\n")
    (folder / "pytorch_model.bin").write_bytes(noise(1000))
    (folder / "modeling_tiny.py").write_text("raise SystemExit('never run')\n")
    (folder / "onnx").mkdir(exist_ok=True)
    (folder / "onnx" / "model.safetensors").write_bytes(safetensors({"z": b"z"}))
    return folder


NEEDED = {SMALL, BIG, "model.safetensors.index.json", "config.json", "tokenizer.json", "LICENSE"}
