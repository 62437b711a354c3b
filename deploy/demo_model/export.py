"""Write the network as a Hugging Face checkpoint of `Qwen2_5_VLForConditionalGeneration`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from deploy.demo_model.architecture import CHANNELS, PATCH, DemoModel, Shape
from deploy.demo_model.vocabulary import MAX_PIXELS, MIN_PIXELS, PIXEL_MEAN, PIXEL_STD, Vocabulary

CONTEXT = 32768  # positions the configuration promises; long answers need the room
PATCH_EMBED = "visual.patch_embed.proj.weight"


def checkpoint_tensors(model: DemoModel) -> dict[str, Tensor]:
    """The state in Hugging Face's names; the patch weight is shared out over two equal frames."""
    tensors = {name: value.detach().float().cpu() for name, value in model.state_dict().items()}
    flat = tensors[PATCH_EMBED].view(-1, CHANNELS, 1, PATCH, PATCH)
    tensors[PATCH_EMBED] = flat.repeat(1, 1, 2, 1, 1) / 2
    return {name: value.contiguous() for name, value in tensors.items()}


def model_config(shape: Shape, vocabulary: Vocabulary) -> dict[str, object]:
    """The contents of config.json."""
    end = vocabulary.identifier("<|im_end|>")
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "dtype": "float32",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.text_width,
        "intermediate_size": shape.text_hidden,
        "num_hidden_layers": shape.text_layers,
        "num_attention_heads": shape.text_heads,
        "num_key_value_heads": shape.text_heads,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-06,
        "rope_theta": shape.rope_theta,
        "rope_scaling": {"type": "mrope", "mrope_section": list(shape.mrope_section)},
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "attention_dropout": 0.0,
        "bos_token_id": vocabulary.identifier("<|endoftext|>"),
        "eos_token_id": end,
        "image_token_id": vocabulary.identifier("<|image_pad|>"),
        "video_token_id": vocabulary.identifier("<|video_pad|>"),
        "vision_start_token_id": vocabulary.identifier("<|vision_start|>"),
        "vision_end_token_id": vocabulary.identifier("<|vision_end|>"),
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_width,
            "intermediate_size": shape.vision_hidden,
            "num_heads": shape.vision_heads,
            "hidden_act": "silu",
            "in_channels": CHANNELS,
            "in_chans": CHANNELS,
            "out_hidden_size": shape.text_width,
            "patch_size": PATCH,
            "spatial_patch_size": PATCH,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
            "fullatt_block_indexes": list(range(shape.vision_layers)),
        },
    }


def write_checkpoint(model: DemoModel, vocabulary: Vocabulary, folder: Path) -> None:
    """Write weights, configuration, tokenizer and processor files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(checkpoint_tensors(model), weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # it is created for its owner alone
    vocabulary.write(folder)
    end = vocabulary.identifier("<|im_end|>")
    pad = vocabulary.identifier("<|endoftext|>")
    _write_json(folder / "config.json", model_config(model.shape, vocabulary))
    _write_json(
        folder / "generation_config.json",
        {"eos_token_id": [end, pad], "pad_token_id": pad, "bos_token_id": pad, "do_sample": False},
    )
    _write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2_5_VLProcessor",
            "min_pixels": MIN_PIXELS,
            "max_pixels": MAX_PIXELS,
            "patch_size": PATCH,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [PIXEL_MEAN] * CHANNELS,
            "image_std": [PIXEL_STD] * CHANNELS,
        },
    )


def load_weights(model: DemoModel, tensors: dict[str, Tensor]) -> None:
    """The inverse of `checkpoint_tensors`, to continue from an exported checkpoint."""
    state = dict(tensors)
    state[PATCH_EMBED] = state[PATCH_EMBED].sum(2).flatten(1)
    with torch.no_grad():
        model.load_state_dict(state)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
