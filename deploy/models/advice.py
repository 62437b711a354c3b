"""What to do about a model that doesn't fit: only what was computed to help. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from deploy.models.amounts import amount
from deploy.models.catalogue import KNOWN_MODELS, KnownModel
from deploy.models.download.place import SPARE_BYTES
from deploy.models.dtype import default_dtype
from deploy.models.fit import Place, fit, largest_context
from deploy.models.shape import ModelShape

_SHORTEST_USEFUL_CONTEXT: Final = 2048
_MOST_GPUS: Final = 8
_MOST_NAMED: Final = 3
_GIB: Final = 1024**3


def remedies(shape: ModelShape, place: Place, *, memories: Sequence[int] = ()) -> list[str]:
    """Return sentences, the plainest first; empty where the model fits.

    Args:
        shape: of the model that doesn't fit.
        place: where it doesn't.
        memories: bytes of each GPU of the machine that vLLM can use, the largest first.
    """
    if serves(shape, place):
        return []
    return [
        *_other_settings(shape, place, memories=memories),
        *_quantized(shape, place),
        *smaller(place),
        *_more_gpus(shape, place, memories=memories),
    ]


def serves(shape: ModelShape, place: Place) -> bool:
    """Does it fit, and can be computed there?"""
    return fit(shape, place).fits and can_compute(shape, place)


def can_compute(shape: ModelShape, place: Place) -> bool:
    """GPUs that compute no FP8 unpack it; vLLM's CPU build can't."""
    return bool(place.gpus) or shape.quantized != "fp8" or place.computes_fp8


def _other_settings(shape: ModelShape, place: Place, *, memories: Sequence[int]) -> Iterable[str]:
    if not place.gpus:
        return _on_cpu(shape, place)
    return _on_gpu(shape, place, memories=memories)


def _on_gpu(shape: ModelShape, place: Place, *, memories: Sequence[int]) -> Iterable[str]:
    if fit(shape.as_dtype("auto"), place).fits:
        yield "Set MODEL_DTYPE=auto: then it fits."
        return
    if not shape.attention_heads % place.gpus:
        yield from _shorter_context(shape, place)
    for gpus, memory in enumerate(memories, start=1):
        others = replace(place, gpus=gpus, memory_bytes=memory)
        if gpus != place.gpus and fit(shape, others).fits:
            yield f"Set TENSOR_PARALLEL_SIZE={gpus}: it fits on {gpus} of this machine's GPUs."
            return


def _more_gpus(shape: ModelShape, place: Place, *, memories: Sequence[int]) -> Iterable[str]:
    """Say how many would do where those that are there don't, however many share it."""
    if not place.gpus or any(
        fit(shape, replace(place, gpus=gpus, memory_bytes=memory)).fits
        for gpus, memory in enumerate(memories, start=1)
    ):
        return
    for gpus in range(len(memories) + 1, _MOST_GPUS + 1):
        if fit(shape, replace(place, gpus=gpus)).fits:
            yield f"It would take {gpus} GPUs of {amount(place.memory_bytes)}."
            return


def _on_cpu(shape: ModelShape, place: Place) -> Iterable[str]:
    """A larger cache, half the bytes of each number, or both; else a shorter context."""
    if not can_compute(shape, place):
        return
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
        smaller_shape = shape.quantized_to(bits)
        if fit(smaller_shape, place).fits:
            # 8 bits are FP8 unless told otherwise, and only some GPUs compute that.
            way = " --format int8" if bits == 8 and not place.computes_fp8 else ""
            yield f"Quantize it to {bits} bits (scripts/convert_model.py --quantize {bits}{way})."
            return


def smaller(place: Place) -> Iterable[str]:
    """Name the known models that fit: in the memory, and on the disk if they must come first."""
    fitting = fitting_models(place)
    if ready := [model for model in fitting if has_room(model, place)]:
        names = ", ".join(model.name for model in ready[:_MOST_NAMED])
        yield f"Take another model, which fits as it is: {names}."
    elif fitting:
        needed = min(fitting, key=lambda model: model.shape.weight_bytes)
        size = amount(needed.shape.weight_bytes)
        yield f"Make room on the disk and take {needed.name}, which fits and has {size}."
    else:
        yield "No known model fits here: give the VLLM_BASE_URL of a server elsewhere."


def has_room(model: KnownModel, place: Place) -> bool:
    """Is a known model there already, or can be downloaded as far as is known?"""
    if model.name in place.downloaded or place.disk_bytes is None:
        return True
    return model.shape.weight_bytes + SPARE_BYTES <= place.disk_bytes


def fitting_models(
    place: Place, *, models: Sequence[KnownModel] = KNOWN_MODELS
) -> list[KnownModel]:
    """Return the known models that fit into the memory, in the numbers they would be served in.

    On GPUs the most able come first, on a CPU the quickest. None that is in FP8 is named where that
    isn't computed.
    """
    fitting = [
        model
        for model in models
        if fit(model.shape.as_dtype(default_dtype(model.shape, place)), place).fits
        and (place.computes_fp8 or model.shape.quantized != "fp8")
    ]
    return sorted(fitting, key=lambda model: model.parameters, reverse=bool(place.gpus))
