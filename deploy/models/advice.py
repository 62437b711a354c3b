"""What to do about a model that doesn't fit: only what was computed to help. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from deploy.models.catalogue import KNOWN_MODELS, KnownModel
from deploy.models.fit import Fit, Place, fit, largest_context
from deploy.models.shape import ModelShape

_SHORTEST_USEFUL_CONTEXT = 2048


def remedies(shape: ModelShape, place: Place, *, machine_gpus: int) -> list[str]:
    """Return sentences, best first: what makes the model fit, and which models do as they are.

    Args:
        shape: of the model that doesn't fit.
        place: where it doesn't.
        machine_gpus: how many equal GPUs the machine has.
    """
    found = fit(shape, place)
    if found.fits:
        return []
    return [
        *_shorter_context(shape, place),
        *_more_gpus(shape, place, machine_gpus=machine_gpus, found=found),
        *_quantized(shape, place),
        *_smaller(place),
    ]


def _shorter_context(shape: ModelShape, place: Place) -> Iterable[str]:
    context = largest_context(shape, place)
    if context >= _SHORTEST_USEFUL_CONTEXT and not shape.attention_heads % max(1, place.gpus):
        yield f"Set MODEL_MAX_TOKENS={context}: one session's context of that length fits."


def _more_gpus(shape: ModelShape, place: Place, *, machine_gpus: int, found: Fit) -> Iterable[str]:
    if not place.gpus:
        return
    for gpus in range(1, max(machine_gpus, 8) + 1):
        if gpus == place.gpus or (gpus < place.gpus and found.shortage != "heads"):
            continue
        if fit(shape, replace(place, gpus=gpus)).fits:
            have = "of this machine's GPUs" if gpus <= machine_gpus else "GPUs like this one"
            yield f"Set TENSOR_PARALLEL_SIZE={gpus}: it fits on {gpus} {have}."
            return


def _quantized(shape: ModelShape, place: Place) -> Iterable[str]:
    if shape.quantized or not shape.linear_parameters:
        return
    for bits in (8, 4):
        if fit(shape.quantized_to(bits), place).fits:
            yield f"Quantize it to {bits} bits (scripts/convert_model.py --quantize {bits})."
            return


def _smaller(place: Place) -> Iterable[str]:
    fitting = fitting_models(place)
    if fitting:
        names = ", ".join(model.name for model in fitting[:3])
        yield f"Take a smaller model that fits as it is: {names}."
    else:
        yield "No known model fits here: give VLLM_BASE_URL of a server elsewhere."


def fitting_models(
    place: Place, *, models: Sequence[KnownModel] = KNOWN_MODELS
) -> list[KnownModel]:
    """Return the known models that fit, the largest first; on a CPU as float32."""
    dtype = "auto" if place.gpus else "float32"
    fitting = [model for model in models if fit(model.shape.as_dtype(dtype), place).fits]
    return sorted(fitting, key=lambda model: -model.parameters)
