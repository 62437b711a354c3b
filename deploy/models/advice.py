"""What to do about a model that doesn't fit: only what was computed to help. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from deploy.models.catalogue import KNOWN_MODELS, KnownModel
from deploy.models.fit import Place, fit, largest_context
from deploy.models.shape import ModelShape

_SHORTEST_USEFUL_CONTEXT: Final = 2048
_MOST_GPUS: Final = 8
_MOST_NAMED: Final = 3
_GIB: Final = 1024**3


def remedies(shape: ModelShape, place: Place, *, machine_gpus: int) -> list[str]:
    """Return sentences, the plainest first; empty where the model fits.

    Args:
        shape: of the model that doesn't fit.
        place: where it doesn't.
        machine_gpus: how many GPUs the machine has.
    """
    if fit(shape, place).fits:
        return []
    return [
        *_other_settings(shape, place, machine_gpus=machine_gpus),
        *_quantized(shape, place),
        *_smaller(place),
    ]


def _other_settings(shape: ModelShape, place: Place, *, machine_gpus: int) -> Iterable[str]:
    if place.gpus:
        return _on_gpu(shape, place, machine_gpus=machine_gpus)
    return _on_cpu(shape, place)


def _on_gpu(shape: ModelShape, place: Place, *, machine_gpus: int) -> Iterable[str]:
    if not shape.attention_heads % place.gpus:
        yield from _shorter_context(shape, place)
    for gpus in range(1, max(machine_gpus, _MOST_GPUS) + 1):
        if gpus != place.gpus and fit(shape, replace(place, gpus=gpus)).fits:
            which = "of this machine's GPUs" if gpus <= machine_gpus else "GPUs like this one"
            yield f"Set TENSOR_PARALLEL_SIZE={gpus}: it fits on {gpus} {which}."
            return


def _on_cpu(shape: ModelShape, place: Place) -> Iterable[str]:
    """A larger cache, half the bytes of each number, or both; else a shorter context."""
    for dtype in ("auto", "bfloat16"):
        candidate = shape if dtype == "auto" else shape.as_dtype(dtype)
        needed = place.context * candidate.cache_bytes_per_token() + candidate.state_bytes
        space = max(place.cpu_cache_bytes // _GIB, -(-needed // _GIB))
        if fit(candidate, replace(place, cpu_cache_bytes=space * _GIB)).fits:
            settings = [f"MODEL_DTYPE={dtype}"] if candidate is not shape else []
            if space * _GIB > place.cpu_cache_bytes:
                settings.append(f"VLLM_CPU_KVCACHE_SPACE={space}")
            yield f"Set {' and '.join(settings)}: then it fits."
            return
    yield from _shorter_context(shape, place)


def _shorter_context(shape: ModelShape, place: Place) -> Iterable[str]:
    context = largest_context(shape, place)
    if context >= _SHORTEST_USEFUL_CONTEXT:
        yield f"Set MODEL_MAX_TOKENS={context}: one session's context of that length fits."


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
        names = ", ".join(model.name for model in fitting[:_MOST_NAMED])
        yield f"Take another model, which fits as it is: {names}."
    else:
        yield "No known model fits here: give the VLLM_BASE_URL of a server elsewhere."


def fitting_models(
    place: Place, *, models: Sequence[KnownModel] = KNOWN_MODELS
) -> list[KnownModel]:
    """Return the known models that fit: on GPUs the most able first, on a CPU the quickest.

    A CPU computes in float32 unless it is told otherwise.
    """
    if place.gpus:
        fitting = [model for model in models if fit(model.shape, place).fits]
        return sorted(fitting, key=lambda model: -model.parameters)
    fitting = [
        model
        for model in models
        if model.on_cpu and fit(model.shape.as_dtype("float32"), place).fits
    ]
    return sorted(fitting, key=lambda model: model.parameters)
