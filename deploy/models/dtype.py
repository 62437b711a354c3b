"""In what numbers a model is computed where MODEL_DTYPE is empty: decided here and nowhere else.

`scripts/start_vllm_server.sh` serves in it, `scripts/check_hardware.sh` judges it, and
`scripts/quickstart.sh --model` begins with it. Pure.
"""

from deploy.models.fit import Place, fit
from deploy.models.shape import ModelShape


def default_dtype(shape: ModelShape, place: Place) -> str:
    """Return vLLM's name of it: on a CPU the first that fits; the smallest if none does."""
    tried = dtypes_for(shape, place)
    return next((dtype for dtype in tried if fit(shape.as_dtype(dtype), place).fits), tried[-1])


def dtypes_for(shape: ModelShape, place: Place) -> tuple[str, ...]:
    """Return those that make sense at a place, the best first."""
    if place.gpus:
        return ("auto",)
    if shape.packed:
        return ("bfloat16",)  # The kernels for weights of 4 bits take no float32.
    if shape.number_bytes != 2:
        return ("float32",)
    if place.native_bfloat16:
        return ("bfloat16",)
    # Without instructions for it bfloat16 is computed in steps, but it is half as large.
    return ("float32", "bfloat16")
