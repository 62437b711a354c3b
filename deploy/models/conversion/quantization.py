"""The conversion itself, by llm-compressor: a file of weights at a time, without loading the model.

Runs in ``.venv-convert`` alone; its imports take seconds.
"""

from pathlib import Path

from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.quant_scheme import preset_name_to_scheme
from llmcompressor.entrypoints.model_free import model_free_ptq

from deploy.models.conversion.plan import LEFT_ALONE, Plan

_PRESETS = {"fp8": "FP8_DYNAMIC", "int8": "W8A8"}


def quantize(source: Path, target: Path, *, plan: Plan) -> None:
    """Write the converted checkpoint into a folder; rounds to the nearest, needs no examples.

    It takes the memory of about three of the source's files. On the CPU: the result is the same
    everywhere, and reading and writing takes longer than the arithmetic.
    """
    model_free_ptq(
        source,
        target,
        scheme=_scheme(plan),
        ignore=[f"re:{pattern}" for pattern in LEFT_ALONE],
        max_workers=1,
        device="cpu",
    )


def _scheme(plan: Plan) -> QuantizationScheme:
    if plan.group is None:
        return preset_name_to_scheme(_PRESETS[plan.format.name], ["Linear"])
    return QuantizationScheme(
        targets=["Linear"],
        weights=QuantizationArgs(
            num_bits=plan.format.bits,
            type="int",
            symmetric=True,
            strategy="group",
            group_size=plan.group,
            dynamic=False,
        ),
    )
