"""What a conversion will do, from ``config.json`` and the headers of the weights alone. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.models.conversion.errors import ConversionError
from deploy.models.conversion.formats import GROUP_SIZES, Shape, WeightFormat
from deploy.models.safetensors_files import BITS, Tensor
from deploy.models.shape import text_config

LEFT_ALONE: Final = (
    r"(^|.*\.)lm_head$",
    r"(^|.*\.)embed_tokens$",
    r"(^|.*[._])vis(ual|ion)([._].*|$)",
    r"(^|.*[._])(connector|projector)([._].*|$)",
)
"""Modules that stay as they are, as patterns for the whole name.

vLLM can't serve a quantized head; embeddings are looked up, not multiplied; the vision tower is
two in a hundred of the weights, has sizes that the kernels don't take, and sees worse in 8 bits.
"""
_LEFT_ALONE: Final = re.compile("|".join(f"(?:{pattern})" for pattern in LEFT_ALONE))
_DECODER_LAYER: Final = re.compile(r"(^|\.)layers\.\d+\.")
_WEIGHT: Final = ".weight"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversion that can be done.

    Attributes:
        group: weights that share a scale; None: those of a row.
        layers: shapes (outputs, inputs) of the matrices to convert, by module.
        source_bytes, target_bytes: of all weights, before and after.
    """

    format: WeightFormat
    group: int | None
    layers: Mapping[str, Shape]
    source_bytes: int
    target_bytes: int


def is_left_alone(module: str) -> bool:
    """Does this module stay as it is?"""
    return _LEFT_ALONE.fullmatch(module) is not None


def language_layers(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the linear layers of the language model, outputs and inputs by module.

    The same ones that llm-compressor takes: matrices that are not left alone and no norms.
    """
    return {
        name.removesuffix(_WEIGHT): tensor.shape
        for name, tensor in tensors.items()
        if name.endswith(_WEIGHT)
        and len(tensor.shape) == 2
        and not name.endswith("norm.weight")
        and not is_left_alone(name.removesuffix(_WEIGHT))
    }


def make_plan(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], *, format: WeightFormat
) -> Plan:
    """Return what is to be done.

    Raises:
        ConversionError: this model can't be converted so.
        ShapeUnknown: its configuration is not as a model's should be.
    """
    text = text_config(config)
    if config.get("quantization_config") or text.get("quantization_config"):
        raise ConversionError("The model is quantized already: convert the original.")
    if text.get("num_experts") or text.get("num_local_experts"):
        raise ConversionError(
            "A mixture of experts isn't converted here: take the FP8 checkpoint of its makers."
        )
    layers = language_layers(tensors)
    if not layers:
        raise ConversionError("The model has no linear layers that could be converted.")
    strange = [name for name in layers if not _DECODER_LAYER.search(f"{name}.")]
    if strange:
        raise ConversionError(
            f"{min(strange)} is no part of the language model's layers, and nothing is known of "
            "it: this architecture can't be converted."
        )
    group = _group(layers, format=format)
    _check_sizes(layers, format=format)
    return Plan(
        format=format,
        group=group,
        layers=layers,
        source_bytes=sum(_size(tensor.dtype, tensor.shape) for tensor in tensors.values()),
        target_bytes=_target_bytes(tensors, layers=layers, format=format, group=group),
    )


def _group(layers: Mapping[str, Shape], *, format: WeightFormat) -> int | None:
    if format.bits == 8:
        return None
    inputs = {columns for _, columns in layers.values()}
    for size in GROUP_SIZES:
        if all(each % size == 0 for each in inputs):
            return size
    raise ConversionError(
        f"No group of {', '.join(map(str, GROUP_SIZES))} weights divides every layer: "
        "this model in 4 bits can't be served, take --quantize 8."
    )


def _check_sizes(layers: Mapping[str, Shape], *, format: WeightFormat) -> None:
    for name, shape in layers.items():
        if any(side % format.divisor for side in shape):
            raise ConversionError(
                f"{name} is {shape[0]} x {shape[1]}, which {format.divisor} doesn't divide: "
                f"{format.name} can't be served."
            )


def _target_bytes(
    tensors: Mapping[str, Tensor],
    *,
    layers: Mapping[str, Shape],
    format: WeightFormat,
    group: int | None,
) -> int:
    total = 0
    for name, tensor in tensors.items():
        shape = layers.get(name.removesuffix(_WEIGHT)) if name.endswith(_WEIGHT) else None
        if shape is None:
            total += _size(tensor.dtype, tensor.shape)
            continue
        made = format.tensors(shape, group=group).values()
        total += sum(_size(dtype or tensor.dtype, sides) for dtype, sides in made)
    return total


def _size(dtype: str, shape: Shape) -> int:
    return math.prod(shape) * BITS.get(dtype, 32) // 8
