"""Is a converted folder whole, and converted as it should be? Without torch, from headers."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.models import checkpoint
from deploy.models.checkpoint import ModelUnknown
from deploy.models.conversion.errors import ConversionError
from deploy.models.conversion.formats import Shape, WeightFormat, format_of_layout
from deploy.models.conversion.plan import is_left_alone, language_layers
from deploy.models.download.checksums import SUMS, read_sums, sha256_of
from deploy.models.download.errors import DownloadError
from deploy.models.safetensors_files import Tensor, WeightsError, read_weights
from deploy.models.shape import ShapeUnknown, text_config

_PLAIN: Final = frozenset({"F32", "BF16", "F16"})
_SCALE: Final = ".weight_scale"
_LAYER: Final = re.compile(r"(?:.*\.)?layers\.(?P<number>\d+)\.(?P<rest>.*)")
_TOKENIZERS: Final = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",))
_PROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")


def verify(folder: Path, *, original: Path | None) -> WeightFormat:
    """Return the format of a converted folder that can be served.

    Args:
        original: what it was made of, if that is still there: then every tensor is compared.

    Raises:
        ConversionError: it can't be served as it is; the first thing that is wrong.
        ShapeUnknown: its configuration is not as a model's should be.
    """
    config = read_config(folder)
    weight_format, group = read_quantization(config, folder=folder)
    tensors = _weights(folder)
    layers = _converted_layers(tensors, format=weight_format)
    _check_modules(tensors, layers=layers, format=weight_format, group=group)
    _check_alike(layers, layer_count=_layer_count(config))
    _check_shapes(layers, config=config)
    _check_files(folder, config=config)
    if original is not None:
        _compare(tensors, _weights(original), layers=layers)
    _check_sums(folder)
    return weight_format


def read_config(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's ``config.json``."""
    try:
        return checkpoint.read_config(folder)
    except ModelUnknown as error:
        raise ConversionError(str(error)) from error


def read_quantization(
    config: Mapping[str, Any], *, folder: Path
) -> tuple[WeightFormat, int | None]:
    """Return the format and the group size that ``config.json`` tells vLLM."""
    told = config.get("quantization_config")
    if not isinstance(told, dict):
        raise ConversionError(
            f"{folder} is not converted: its config.json has no quantization_config."
        )
    found = format_of_layout(told.get("format"))
    groups = told.get("config_groups")
    if found is None or told.get("quant_method") != "compressed-tensors" or not groups:
        raise ConversionError(
            f"{folder} is quantized in another way than this script's "
            f"({told.get('quant_method')}, {told.get('format')}): it can't be checked here."
        )
    first = next(iter(groups.values())) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(weights, dict):
        raise ConversionError(
            f"{folder}/config.json doesn't say how its weights are quantized: convert the model "
            "again."
        )
    if weights.get("num_bits") != found.bits:
        raise ConversionError(
            f"{folder}/config.json says {weights.get('num_bits')} bits and {found.layout}: "
            "convert the model again."
        )
    return found, weights.get("group_size") if found.bits == 4 else None


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        return read_weights(folder)
    except WeightsError as error:
        raise ConversionError(f"{str(error).rstrip('.')}: convert or download it again.") from error


def _converted_layers(tensors: Mapping[str, Tensor], *, format: WeightFormat) -> dict[str, Shape]:
    """Return the shapes that the converted matrices had."""
    layers: dict[str, Shape] = {}
    for name, tensor in tensors.items():
        module = name.rpartition(".")[0]
        if name.endswith(".weight_packed") and len(tensor.shape) == 2:
            rows, packed = tensor.shape
            layers[module] = (rows, packed * 32 // format.bits)
        elif name.endswith(".weight") and tensor.dtype not in _PLAIN:
            layers[module] = tensor.shape
    return layers


def _check_modules(
    tensors: Mapping[str, Tensor],
    *,
    layers: Mapping[str, Shape],
    format: WeightFormat,
    group: int | None,
) -> None:
    scaled = {name.removesuffix(_SCALE) for name in tensors if name.endswith(_SCALE)}
    for module in sorted(layers.keys() | scaled):
        if is_left_alone(module):
            raise ConversionError(
                f"{module} is converted, and must not be (vision tower, embeddings and head "
                "stay as they are): convert the model again."
            )
    if plain := sorted(language_layers(tensors).keys() - layers.keys()):
        raise ConversionError(
            f"{plain[0]} and {len(plain) - 1} others are not converted: convert the model again."
        )
    if not layers:
        raise ConversionError("No layer of the language model is there: convert the model again.")
    for module, shape in layers.items():
        for part, (dtype, sides) in format.tensors(shape, group=group).items():
            _check_part(tensors.get(f"{module}.{part}"), f"{module}.{part}", dtype, sides)


def _check_part(tensor: Tensor | None, name: str, dtype: str, shape: Shape) -> None:
    if tensor is None:
        raise ConversionError(f"{name} is missing: convert the model again.")
    right = tensor.dtype == dtype if dtype else tensor.dtype in _PLAIN
    if not right or tensor.shape != shape:
        raise ConversionError(
            f"{name} is {tensor.dtype} {list(tensor.shape)}, not {dtype or 'a float'} "
            f"{list(shape)}: convert the model again."
        )


def _layer_count(config: Mapping[str, Any]) -> int | None:
    text = text_config(config)
    count = text.get("num_hidden_layers")
    return count if isinstance(count, int) else None


def _check_alike(layers: Mapping[str, Shape], *, layer_count: int | None) -> None:
    """Every layer has the matrices that others of its kind have; so what one lacks is found."""
    by_layer: dict[int, set[str]] = {}
    for module in layers:
        if found := _LAYER.fullmatch(module):
            by_layer.setdefault(int(found["number"]), set()).add(found["rest"])
    for number in range(layer_count or len(by_layer)):
        parts = by_layer.get(number, set())
        # Attention, of whatever kind, and what follows it.
        blocks = {part.partition(".")[0] for part in parts}
        if len(blocks) < 2:
            raise ConversionError(f"Layer {number} is missing or cut off: convert the model again.")
        alike = [each for each in by_layer.values() for block in blocks if _has(each, block)]
        wanted = {part for each in alike for part in each if part.partition(".")[0] in blocks}
        if lacking := wanted - parts:
            raise ConversionError(f"Layer {number} lacks {min(lacking)}: convert the model again.")


def _has(parts: set[str], block: str) -> bool:
    return any(part.startswith(f"{block}.") for part in parts)


def _check_shapes(layers: Mapping[str, Shape], *, config: Mapping[str, Any]) -> None:
    expected = dict(_expected_shapes(text_config(config)))
    for module, shape in layers.items():
        wanted = expected.get(module.rpartition(".")[2])
        if wanted is not None and shape != wanted:
            raise ConversionError(
                f"{module} is {shape[0]} x {shape[1]} and config.json says {wanted[0]} x "
                f"{wanted[1]}: convert the model again."
            )


def _expected_shapes(text: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    hidden, inner = text.get("hidden_size"), text.get("intermediate_size")
    heads = text.get("num_attention_heads")
    if not (isinstance(hidden, int) and isinstance(heads, int) and heads > 0):
        return
    size = text.get("head_dim") or hidden // heads
    pairs = text.get("num_key_value_heads") or heads
    if not (isinstance(size, int) and isinstance(pairs, int)):
        raise ShapeUnknown("its head_dim or num_key_value_heads is no whole number.")
    # Where attention has a gate, its queries are twice as many.
    if not text.get("attn_output_gate"):
        yield "q_proj", (heads * size, hidden)
    yield "k_proj", (pairs * size, hidden)
    yield "v_proj", (pairs * size, hidden)
    yield "o_proj", (hidden, heads * size)
    if isinstance(inner, int):
        yield "gate_proj", (inner, hidden)
        yield "up_proj", (inner, hidden)
        yield "down_proj", (hidden, inner)


def _check_files(folder: Path, *, config: Mapping[str, Any]) -> None:
    def there(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    if not any(there(*names) for names in _TOKENIZERS):
        raise ConversionError(
            f"{folder} has no tokenizer (tokenizer.json): copy it from the original."
        )
    if config.get("vision_config") and not any(there(name) for name in _PROCESSORS):
        raise ConversionError(
            f"{folder} has no preprocessor_config.json, and can't be shown a picture without: "
            "copy it from the original."
        )


def _compare(
    tensors: Mapping[str, Tensor], original: Mapping[str, Tensor], *, layers: Mapping[str, Shape]
) -> None:
    for name, before in original.items():
        module = name.removesuffix(".weight")
        if name.endswith(".weight") and module in layers:
            if layers[module] != before.shape:
                raise ConversionError(
                    f"{module} is {list(layers[module])} and the original's {list(before.shape)}: "
                    "convert the model again."
                )
            continue
        after = tensors.get(name)
        if after is None:
            raise ConversionError(f"{name} is missing: the original has it; convert it again.")
        if (after.dtype, after.shape) != (before.dtype, before.shape):
            raise ConversionError(
                f"{name} is {after.dtype} {list(after.shape)} and the original's {before.dtype} "
                f"{list(before.shape)}: convert the model again."
            )


def _check_sums(folder: Path) -> None:
    """Compare every file with ``SHA256SUMS``, if there is one: this reads all of it."""
    if not (folder / SUMS).is_file():
        return
    try:
        sums = read_sums(folder)
    except DownloadError as error:
        raise ConversionError(str(error)) from error
    for name, digest in sums.items():
        path = folder / name
        if not path.is_file():
            raise ConversionError(f"{path} is missing: convert the model again.")
        if sha256_of(path) != digest:
            raise ConversionError(
                f"{path} is damaged: its SHA-256 is not the one in {SUMS}; convert the model again."
            )
