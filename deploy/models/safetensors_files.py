"""Checks a folder's ``*.safetensors`` by their headers, without torch.

A file begins with eight bytes, the length of the JSON header (little endian); the header names each
tensor's type, shape and place in the rest. See https://github.com/huggingface/safetensors#format.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "model.safetensors.index.json"
# The format's own limit: what claims more is no header.
MOST_HEADER_BYTES = 100_000_000
BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
# What reading JSON of strangers can raise: too deep it ends the stack, 1e999 is no whole number.
UNREADABLE_JSON = (ValueError, RecursionError, OverflowError)


class WeightsError(Exception):
    """What is wrong with the weights, as a sentence."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor as its file's header has it; begin and end are bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> dict[str, Tensor]:
    """Return the file's tensors by name; ``WeightsError`` if header and file don't fit together."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > min(size - 8, MOST_HEADER_BYTES):
            raise WeightsError(f"{path.name} is no safetensors file, or is cut off in its header.")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            tensors = {str(name): _tensor(entry) for name, entry in header.items()}
        except (*UNREADABLE_JSON, TypeError, KeyError, AttributeError) as error:
            raise WeightsError(f"{path.name} has a header that can't be read.") from error
    _check_places(path.name, tensors=tensors, data_bytes=size - 8 - length)
    return tensors


def _tensor(entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = tuple(int(length) for length in entry["shape"])
    return Tensor(dtype=str(entry["dtype"]), shape=shape, begin=int(begin), end=int(end))


def _check_places(name: str, *, tensors: dict[str, Tensor], data_bytes: int) -> None:
    """Tensors must lie end to end, have the bytes of their type and shape, and fill the file."""
    at = 0
    for key, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        bits = BITS.get(tensor.dtype)
        expected = None if bits is None else math.prod(tensor.shape) * bits // 8
        if tensor.begin != at or (expected is not None and tensor.end - tensor.begin != expected):
            raise WeightsError(f"{name} is damaged: its header is wrong about {key}.")
        at = tensor.end
    if at > data_bytes:
        raise WeightsError(f"{name} is cut off: {at - data_bytes} bytes are missing.")
    if at < data_bytes:
        raise WeightsError(f"{name} is damaged: {data_bytes - at} bytes too many.")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a model's folder; ``WeightsError`` if files and index don't agree."""
    shards = sorted(path.name for path in folder.glob("*.safetensors"))
    if not shards:
        raise WeightsError(f"{folder} has no *.safetensors.")
    headers = {shard: read_header(folder / shard) for shard in shards}
    if (folder / INDEX).is_file():
        _check_index(read_index(folder / INDEX), headers=headers)
    elif len(shards) > 1:
        raise WeightsError(f"{folder} has {len(shards)} files of weights and no {INDEX}.")
    tensors: dict[str, Tensor] = {}
    for header in headers.values():
        if doubled := tensors.keys() & header.keys():
            raise WeightsError(f"{min(doubled)} is in more than one file of {folder}.")
        tensors.update(header)
    return tensors


def read_index(path: Path) -> dict[str, str]:
    """Return the file of each tensor by an index; ``WeightsError`` if it can't be read."""
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return {str(tensor): Path(shard).name for tensor, shard in weight_map.items()}
    except (OSError, *UNREADABLE_JSON, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path.name} can't be read.") from error


def _check_index(weight_map: dict[str, str], *, headers: dict[str, dict[str, Tensor]]) -> None:
    for tensor, shard in weight_map.items():
        if shard not in headers:
            raise WeightsError(f"{shard} is missing: {INDEX} names it.")
        if tensor not in headers[shard]:
            raise WeightsError(f"{shard} lacks {tensor}, which {INDEX} says is there.")
    for shard, header in headers.items():
        if unknown := header.keys() - weight_map.keys():
            raise WeightsError(f"{shard} holds {min(unknown)}, which {INDEX} does not name.")
