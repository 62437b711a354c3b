"""A model's sizes from its ``config.json``, flat or nested, dense or hybrid, quantized or not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.models.catalogue import DEFAULT_MODEL
from deploy.models.shape import ModelShape, ShapeUnknown, shape_of

CHECKPOINT = Path(__file__).resolve().parents[3] / "deploy" / "demo_model" / "checkpoint"
QWEN25_32B = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "hidden_size": 5120,
    "intermediate_size": 27648,
    "max_position_embeddings": 128000,
    "num_attention_heads": 40,
    "num_hidden_layers": 64,
    "num_key_value_heads": 8,
    "torch_dtype": "bfloat16",
}
QWEN36 = {
    "architectures": ["Qwen3_5MoeForConditionalGeneration"],
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "text_config": {
        "dtype": "bfloat16",
        "hidden_size": 2048,
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "full_attention_interval": 4,
        "linear_num_value_heads": 32,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "num_experts": 256,
    },
}


def test_the_default_model_is_as_the_catalogue_says():
    shape = shape_of(QWEN25_32B, weight_bytes=66_905_436_672)
    assert shape == DEFAULT_MODEL.shape
    # Keys and values of 64 layers, 8 heads of 128 numbers of 2 bytes: 256 KiB a token.
    assert shape.cache_bytes_per_token() == 256 * 1024


def test_the_demo_checkpoint():
    config = json.loads((CHECKPOINT / "config.json").read_text())
    shape = shape_of(config, weight_bytes=10)
    assert (shape.layers, shape.key_value_heads, shape.head_dim) == (4, 4, 32)
    assert shape.number_bytes == 4
    assert shape.cache_bytes_per_token() == 2 * 4 * 4 * 32 * 4


def test_a_nested_hybrid_model_with_experts():
    shape = shape_of(QWEN36, weight_bytes=37_000_000_000)
    assert shape.attention_layers == 10
    assert shape.cache_bytes_per_token() == 2 * 10 * 2 * 256 * 2
    assert shape.state_bytes == 30 * 32 * 128 * 128 * 4
    assert shape.quantized == "fp8"
    assert shape.linear_parameters == 0


def test_listed_kinds_of_layers_win():
    kinds = ["linear_attention", "full_attention"] * 20
    config = {**QWEN36, "text_config": {**QWEN36["text_config"], "layer_types": kinds}}
    assert shape_of(config, weight_bytes=1).attention_layers == 20


@pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "num_attention_heads"])
def test_what_is_missing_is_named(missing):
    config = {name: value for name, value in QWEN25_32B.items() if name != missing}
    with pytest.raises(ShapeUnknown, match=missing):
        shape_of(config, weight_bytes=1)


def test_an_impossible_model_cannot_be_built():
    with pytest.raises(ShapeUnknown):
        replace(DEFAULT_MODEL.shape, key_value_heads=0)
    with pytest.raises(ShapeUnknown):
        replace(DEFAULT_MODEL.shape, attention_layers=65)


def test_heads_are_dealt_out_to_gpus():
    shape = DEFAULT_MODEL.shape
    assert shape.cache_bytes_per_token(gpus=2) == 128 * 1024
    assert shape.cache_bytes_per_token(gpus=8) == shape.cache_bytes_per_token(gpus=16) == 32 * 1024


class TestDtypes:
    def test_half_and_double(self):
        double = DEFAULT_MODEL.shape.as_dtype("float32")
        assert double.weight_bytes == 2 * 66_905_436_672
        assert double.cache_bytes_per_token() == 512 * 1024
        assert double.as_dtype("bfloat16") == DEFAULT_MODEL.shape

    def test_auto_never_serves_float32(self):
        double = DEFAULT_MODEL.shape.as_dtype("float32")
        assert double.as_dtype("auto") == DEFAULT_MODEL.shape
        assert DEFAULT_MODEL.shape.as_dtype("auto") is DEFAULT_MODEL.shape

    def test_quantized_weights_stay(self):
        shape = shape_of(QWEN36, weight_bytes=37)
        assert shape.as_dtype("float32") is shape


class TestQuantizing:
    def test_only_linear_layers_shrink(self):
        shape = ModelShape(
            architecture="",
            weight_bytes=300_000,
            layers=1,
            attention_layers=1,
            attention_heads=1,
            key_value_heads=1,
            head_dim=1,
            max_context=1,
            linear_parameters=128_000,
        )
        assert shape.quantized_to(8).weight_bytes == 300_000 - 128_000
        # Half a byte each, and a scale of 2 bytes for each 128.
        assert shape.quantized_to(4).weight_bytes == 300_000 - 256_000 + 64_000 + 2_000

    def test_the_default_model(self):
        assert 35e9 < DEFAULT_MODEL.shape.quantized_to(8).weight_bytes < 37e9
        assert 20e9 < DEFAULT_MODEL.shape.quantized_to(4).weight_bytes < 22e9
