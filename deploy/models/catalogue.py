"""Models that are known by a short name.

Parameter counts and weight bytes of the Qwen2.5-VL and Qwen3-VL families are exact: computed from
their layers' sizes, they agree with what the repositories state. Those marked `estimated` are not.
No revision is named: the download records the one that it got.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.models.shape import ModelShape

_QWEN25: Final = "Qwen2_5_VLForConditionalGeneration"
_QWEN3: Final = "Qwen3VLForConditionalGeneration"


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model that is known by name.

    Attributes:
        name: what it is served as by default, and its folder's name under ``~/models``.
        repository: its place on Hugging Face; `modelscope`, on ModelScope.
        parameters: how many, of all parts.
        estimated: parameters and bytes are published sizes, rounded.
        made_for: which machine.
        differs: from the default model, one sentence.
    """

    name: str
    repository: str
    modelscope: str
    parameters: int
    shape: ModelShape
    made_for: str
    differs: str
    estimated: bool = False


KNOWN_MODELS: Final = (
    KnownModel(
        name="qwen2.5-vl-32b",
        repository="Qwen/Qwen2.5-VL-32B-Instruct",
        modelscope="Qwen/Qwen2.5-VL-32B-Instruct",
        parameters=33_452_718_336,
        shape=ModelShape(
            architecture=_QWEN25,
            weight_bytes=66_905_436_672,
            layers=64,
            attention_layers=64,
            attention_heads=40,
            key_value_heads=8,
            head_dim=128,
            linear_parameters=31_205_621_760,
            max_context=128_000,
        ),
        made_for="one MI300X, or one GPU of 80 GB with short contexts",
        differs="The default: 28x28 pixels a token, boxes in pixels of the resized image.",
    ),
    KnownModel(
        name="qwen2.5-vl-7b",
        repository="Qwen/Qwen2.5-VL-7B-Instruct",
        modelscope="Qwen/Qwen2.5-VL-7B-Instruct",
        parameters=8_292_166_656,
        shape=ModelShape(
            architecture=_QWEN25,
            weight_bytes=16_584_333_312,
            layers=28,
            attention_layers=28,
            attention_heads=28,
            key_value_heads=4,
            head_dim=128,
            linear_parameters=6_525_288_448,
            max_context=128_000,
        ),
        made_for="one GPU of 24 GB",
        differs="The default's small sibling: same images, same boxes, a quarter of the memory.",
    ),
    KnownModel(
        name="qwen2.5-vl-3b",
        repository="Qwen/Qwen2.5-VL-3B-Instruct",
        modelscope="Qwen/Qwen2.5-VL-3B-Instruct",
        parameters=3_754_622_976,
        shape=ModelShape(
            architecture=_QWEN25,
            weight_bytes=7_509_245_952,
            layers=36,
            attention_layers=36,
            attention_heads=16,
            key_value_heads=2,
            head_dim=128,
            linear_parameters=2_774_532_096,
            max_context=128_000,
        ),
        made_for="one GPU of 12 GB, or a patient CPU",
        differs="The smallest of the default's family; its licence allows research only.",
    ),
    KnownModel(
        name="qwen3-vl-32b",
        repository="Qwen/Qwen3-VL-32B-Instruct",
        modelscope="Qwen/Qwen3-VL-32B-Instruct",
        parameters=33_357_390_064,
        shape=ModelShape(
            architecture=_QWEN3,
            weight_bytes=66_714_780_128,
            layers=64,
            attention_layers=64,
            attention_heads=64,
            key_value_heads=8,
            head_dim=128,
            linear_parameters=31_205_621_760,
            max_context=262_144,
        ),
        made_for="one MI300X, or one GPU of 80 GB with short contexts",
        differs="The default's successor, as large: 32x32 pixels a token, boxes of 0 to 1000.",
    ),
    KnownModel(
        name="qwen3-vl-8b",
        repository="Qwen/Qwen3-VL-8B-Instruct",
        modelscope="Qwen/Qwen3-VL-8B-Instruct",
        parameters=8_767_123_696,
        shape=ModelShape(
            architecture=_QWEN3,
            weight_bytes=17_534_247_392,
            layers=36,
            attention_layers=36,
            attention_heads=32,
            key_value_heads=8,
            head_dim=128,
            linear_parameters=6_945_767_424,
            max_context=262_144,
        ),
        made_for="one GPU of 32 GB, or of 24 GB with short contexts",
        differs="32x32 pixels a token, boxes of 0 to 1000.",
    ),
    KnownModel(
        name="qwen3-vl-4b",
        repository="Qwen/Qwen3-VL-4B-Instruct",
        modelscope="Qwen/Qwen3-VL-4B-Instruct",
        parameters=4_437_815_808,
        shape=ModelShape(
            architecture=_QWEN3,
            weight_bytes=8_875_631_616,
            layers=36,
            attention_layers=36,
            attention_heads=32,
            key_value_heads=8,
            head_dim=128,
            linear_parameters=3_633_315_840,
            max_context=262_144,
        ),
        made_for="one GPU of 16 to 24 GB",
        differs="32x32 pixels a token, boxes of 0 to 1000.",
    ),
    KnownModel(
        name="qwen3.6-35b-a3b-fp8",
        repository="Qwen/Qwen3.6-35B-A3B-FP8",
        modelscope="Qwen/Qwen3.6-35B-A3B-FP8",
        parameters=35_000_000_000,
        estimated=True,
        shape=ModelShape(
            architecture="Qwen3_5MoeForConditionalGeneration",
            weight_bytes=37_000_000_000,
            layers=40,
            attention_layers=10,
            attention_heads=16,
            key_value_heads=2,
            head_dim=256,
            # 30 layers of linear attention, 32 value heads of 128 x 128 float32 numbers.
            state_bytes=30 * 32 * 128 * 128 * 4,
            quantized="fp8",
            max_context=262_144,
        ),
        made_for="one GPU of 48 GB or more that computes FP8: MI300X, H100, L40S",
        differs="Fast: 3 billion of 35 are active at a token. Thinks unless told not to, as we do; "
        "32x32 pixels a token, boxes of 0 to 1000.",
    ),
    KnownModel(
        name="smolvlm",
        repository="HuggingFaceTB/SmolVLM-500M-Instruct",
        modelscope="HuggingFaceTB/SmolVLM-500M-Instruct",
        parameters=510_000_000,
        estimated=True,
        shape=ModelShape(
            architecture="Idefics3ForConditionalGeneration",
            weight_bytes=1_020_000_000,
            layers=32,
            attention_layers=32,
            attention_heads=15,
            key_value_heads=5,
            head_dim=64,
            linear_parameters=314_572_800,
            max_context=8192,
        ),
        made_for="a CPU",
        differs="Small enough for a CPU, and far less able: short answers in English, no boxes.",
    ),
)
DEFAULT_MODEL: Final = KNOWN_MODELS[0]
# Each known model's folder is in here, called like it.
MODELS_FOLDER: Final = Path("~/models")


def find_model(name: str) -> KnownModel | None:
    """Return the model of a short name, of a repository, or of a folder called like it."""
    wanted = name.rstrip("/").lower()
    for model in KNOWN_MODELS:
        if wanted in {model.name, model.repository.lower()}:
            return model
    last = wanted.rpartition("/")[2]
    names = {model.name: model for model in KNOWN_MODELS}
    repositories = {model.repository.lower().rpartition("/")[2]: model for model in KNOWN_MODELS}
    return names.get(last) or repositories.get(last)
