"""What of a model decides how much memory it takes: read from its ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

# Bytes of a number. "auto" is the checkpoint's own, but vLLM never serves float32 by itself.
DTYPE_BYTES: Final = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4, "float": 4}
_FLOAT32: Final = 4
_MOST: Final = 1_000_000


class ShapeUnknown(ValueError):
    """The configuration lacks what the arithmetic needs; the message says which."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """A model's sizes.

    Attributes:
        architecture: vLLM's class, such as ``Qwen2_5_VLForConditionalGeneration``.
        weight_bytes: of all its tensors.
        layers: of the language model, all kinds.
        attention_layers: those that keep keys and values of every token.
        attention_heads, key_value_heads, head_dim: of such a layer.
        state_bytes: what a session takes beside that, whatever its length (linear attention).
        number_bytes: of a weight that is not quantized, 2 or 4.
        linear_parameters: of the language model's linear layers: what can be quantized; 0: unknown.
        quantized: how it is quantized already (``fp8``, ``compressed-tensors``); empty if not.
        packed: its weights have 4 bits, several to a stored number.
        max_context: tokens it was made for.
    """

    architecture: str
    weight_bytes: int
    layers: int
    attention_layers: int
    attention_heads: int
    key_value_heads: int
    head_dim: int
    max_context: int
    state_bytes: int = 0
    number_bytes: int = 2
    linear_parameters: int = 0
    quantized: str = ""
    packed: bool = False

    def __post_init__(self) -> None:
        """Refuse what can't be a model."""
        counts = (self.layers, self.attention_heads, self.key_value_heads, self.head_dim)
        if min(counts) < 1 or not 0 <= self.attention_layers <= self.layers:
            raise ShapeUnknown("config.json names no layers, heads or head size.")

    def cache_bytes_per_token(self, *, gpus: int = 1) -> int:
        """Return the bytes of keys and values that one GPU keeps of a token.

        They are numbers like the weights (of a quantized model: like those that are left alone).
        Heads are dealt out to the GPUs; with fewer heads than GPUs each keeps one.
        """
        heads = max(1, self.key_value_heads // gpus)
        return 2 * self.attention_layers * heads * self.head_dim * self.number_bytes

    def as_dtype(self, dtype: str) -> "ModelShape":
        """Return the same model at a dtype of `DTYPE_BYTES`, or ``auto``; quantized ones stay."""
        wanted = min(self.number_bytes, 2) if dtype == "auto" else DTYPE_BYTES[dtype]
        if self.quantized or wanted == self.number_bytes:
            return self
        weight_bytes = self.weight_bytes * wanted // self.number_bytes
        return replace(self, weight_bytes=weight_bytes, number_bytes=wanted)

    def quantized_to(self, bits: int) -> "ModelShape":
        """Return the same model with its linear layers at 8 or 4 bits; an estimate.

        Scales of 4 bits take 2 bytes for each 128 numbers; those of 8 bits next to nothing.
        """
        each = bits / 8 + (2 / 128 if bits == 4 else 0)
        saved = int(self.linear_parameters * (self.number_bytes - each))
        return replace(
            self,
            weight_bytes=self.weight_bytes - saved,
            quantized=f"{bits} bit",
            packed=bits == 4,
        )


def shape_of(config: Mapping[str, Any], *, weight_bytes: int) -> ModelShape:
    """Return the shape that a ``config.json`` describes; the language model's part may be nested.

    Raises:
        ShapeUnknown: something that is needed isn't there.
    """
    text = text_config(config)
    quantization = _quantization(config, text)
    hidden, layers = _count(text, "hidden_size"), _count(text, "num_hidden_layers")
    heads = _count(text, "num_attention_heads")
    return ModelShape(
        architecture=next(iter(architectures_of(config)), ""),
        weight_bytes=weight_bytes,
        layers=layers,
        attention_layers=_attention_layers(text, layers=layers),
        attention_heads=heads,
        key_value_heads=int(text.get("num_key_value_heads") or heads),
        head_dim=int(text.get("head_dim") or hidden // heads),
        state_bytes=_state_bytes(text, layers=layers),
        number_bytes=_number_bytes(config, text),
        linear_parameters=_linear_parameters(text, hidden=hidden, layers=layers, heads=heads),
        quantized=str(quantization.get("quant_method", "")),
        packed=_is_packed(quantization),
        max_context=int(text.get("max_position_embeddings") or 0),
    )


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the language model's part of a ``config.json``: nested, or all of it.

    Raises:
        ShapeUnknown: it is no JSON object.
    """
    text = config.get("text_config") or config.get("llm_config") or config
    if not isinstance(text, Mapping):
        raise ShapeUnknown("its language model's part (text_config) is no JSON object.")
    return text


def architectures_of(config: Mapping[str, Any]) -> list[str]:
    """Return the names of vLLM's classes; none where they aren't a list of names."""
    found = config.get("architectures")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _count(text: Mapping[str, Any], name: str) -> int:
    value = text.get(name)
    # Lists are made that long: a damaged number must not take all of the memory.
    if not isinstance(value, int) or not 1 <= value <= _MOST:
        raise ShapeUnknown(f"config.json has no {name} of the language model.")
    return value


def _quantization(config: Mapping[str, Any], text: Mapping[str, Any]) -> Mapping[str, Any]:
    found = config.get("quantization_config") or text.get("quantization_config")
    return found if isinstance(found, Mapping) else {}


def _is_packed(quantization: Mapping[str, Any]) -> bool:
    """As compressed-tensors says it, or the older ways of 4 bits."""
    method = quantization.get("quant_method")
    return quantization.get("format") == "pack-quantized" or method in {"awq", "gptq"}


def _number_bytes(config: Mapping[str, Any], text: Mapping[str, Any]) -> int:
    names = (source.get(key) for source in (config, text) for key in ("dtype", "torch_dtype"))
    return DTYPE_BYTES.get(str(next((name for name in names if name), "bfloat16")), 2)


def _kinds(text: Mapping[str, Any], *, layers: int) -> list[str]:
    """Return each layer's kind; where it isn't listed, every n-th layer is a full one."""
    kinds = text.get("layer_types")
    if isinstance(kinds, list) and kinds:
        return [str(kind) for kind in kinds]
    interval = text.get("full_attention_interval")
    if not isinstance(interval, int) or interval < 1:
        return ["full_attention"] * layers
    return [
        "linear_attention" if (layer + 1) % interval else "full_attention"
        for layer in range(layers)
    ]


def _attention_layers(text: Mapping[str, Any], *, layers: int) -> int:
    return layers - _kinds(text, layers=layers).count("linear_attention")


def _state_bytes(text: Mapping[str, Any], *, layers: int) -> int:
    """Return the recurrent state of linear attention: one float32 matrix for each value head."""
    linear = _kinds(text, layers=layers).count("linear_attention")
    heads = int(text.get("linear_num_value_heads") or 0)
    sides = int(text.get("linear_key_head_dim") or 0), int(text.get("linear_value_head_dim") or 0)
    return linear * heads * sides[0] * sides[1] * _FLOAT32


def _linear_parameters(text: Mapping[str, Any], *, hidden: int, layers: int, heads: int) -> int:
    """Return the weights of attention and feed-forward layers; 0 for experts, made otherwise."""
    inner = text.get("intermediate_size")
    if not isinstance(inner, int) or text.get("num_experts"):
        return 0
    size = int(text.get("head_dim") or hidden // heads)
    pairs = int(text.get("num_key_value_heads") or heads)
    return layers * hidden * (2 * heads * size + 2 * pairs * size + 3 * inner)
