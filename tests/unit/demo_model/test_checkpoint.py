"""The shipped checkpoint: its size, and that its files agree with each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy import demo_model

CHECKPOINT = Path(demo_model.__file__).parent / "checkpoint"
LIMIT_BYTES = 12 * 2**20


def read(name: str) -> dict:
    return json.loads((CHECKPOINT / name).read_text(encoding="utf-8"))


def test_the_weights_are_small() -> None:
    assert 2**20 < (CHECKPOINT / "model.safetensors").stat().st_size <= LIMIT_BYTES


def test_it_is_qwen_2_5_vl() -> None:
    config = read("config.json")
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"]
    assert config["max_position_embeddings"] >= 8192


def test_every_vision_layer_attends_fully() -> None:
    vision = read("config.json")["vision_config"]
    assert vision["fullatt_block_indexes"] == list(range(vision["depth"]))


@pytest.mark.parametrize(
    ("token", "key"),
    [
        ("<|im_end|>", "eos_token_id"),
        ("<|image_pad|>", "image_token_id"),
        ("<|video_pad|>", "video_token_id"),
        ("<|vision_start|>", "vision_start_token_id"),
        ("<|vision_end|>", "vision_end_token_id"),
    ],
)
def test_special_tokens_have_the_numbers_the_model_expects(token: str, key: str) -> None:
    added = {entry["content"]: entry["id"] for entry in read("tokenizer.json")["added_tokens"]}
    assert read("config.json")[key] == added[token]


def test_the_vocabulary_is_the_embedding_s() -> None:
    tokenizer = read("tokenizer.json")
    count = len(tokenizer["model"]["vocab"]) + len(tokenizer["added_tokens"])
    assert read("config.json")["vocab_size"] == count


def test_frames_become_a_few_image_tokens() -> None:
    processor = read("preprocessor_config.json")
    token = (processor["patch_size"] * processor["merge_size"]) ** 2
    assert processor["min_pixels"] // token >= 20
    assert processor["max_pixels"] // token <= 48
