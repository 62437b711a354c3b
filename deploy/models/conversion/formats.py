"""The ways to store a weight in fewer bits, as compressed-tensors writes and vLLM reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.models.conversion.errors import ConversionError

# The larger a group, the smaller the file; vLLM's kernels for AMD, NVIDIA and CPUs take these.
GROUP_SIZES: Final = (128, 64, 32)
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """One way.

    Attributes:
        bits: of a weight.
        layout: what compressed-tensors calls it in ``config.json``.
        dtype: of the stored weights, as safetensors names it.
        divisor: what both sides of a matrix must be divisible by, for the kernels that serve it.
        activations: how inputs are rounded while it is served.
    """

    name: str
    bits: int
    layout: str
    dtype: str
    divisor: int
    activations: str

    def tensors(self, shape: Shape, *, group: int | None) -> Mapping[str, tuple[str, Shape]]:
        """Return what a matrix becomes: dtype and shape by the last part of the name.

        An empty dtype stands for that of the weights that stay.
        """
        rows, columns = shape
        if group is None:
            return {"weight": (self.dtype, shape), "weight_scale": ("", (rows, 1))}
        return {
            "weight_packed": (self.dtype, (rows, columns * self.bits // 32)),
            "weight_scale": ("", (rows, columns // group)),
            "weight_shape": ("I64", (2,)),
        }


FP8: Final = WeightFormat(
    name="fp8",
    bits=8,
    layout="float-quantized",
    dtype="F8_E4M3",
    divisor=16,
    activations="FP8, scaled for each token",
)
INT8: Final = WeightFormat(
    name="int8",
    bits=8,
    layout="int-quantized",
    dtype="I8",
    divisor=16,
    activations="INT8, scaled for each token",
)
INT4: Final = WeightFormat(
    name="int4",
    bits=4,
    layout="pack-quantized",
    dtype="I32",
    divisor=32,
    activations="as they are",
)
FORMATS: Final = {each.name: each for each in (FP8, INT8, INT4)}
_DEFAULTS: Final = {8: FP8, 4: INT4}


def chosen_format(*, bits: int, name: str | None) -> WeightFormat:
    """Return the format of that name, or the usual one of so many bits.

    Raises:
        ConversionError: they contradict each other.
    """
    if name is None:
        return _DEFAULTS[bits]
    if FORMATS[name].bits != bits:
        fitting = " or ".join(each.name for each in FORMATS.values() if each.bits == bits)
        raise ConversionError(
            f"--format {name} has {FORMATS[name].bits} bits, not {bits}: give {fitting}."
        )
    return FORMATS[name]


def format_of_layout(layout: object) -> WeightFormat | None:
    """Return the format that a ``config.json`` names; None for one that is not ours."""
    return next((each for each in FORMATS.values() if each.layout == layout), None)
