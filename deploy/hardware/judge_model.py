"""Whether the configured model fits on this machine, and with what room. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from deploy.hardware.facts import Facts
from deploy.hardware.findings import Finding, counted, failed, gigabytes, ok
from deploy.models.advice import remedies
from deploy.models.checkpoint import Described
from deploy.models.fit import Fit, Place, fit
from deploy.models.serving import Device
from deploy.models.shape import ModelShape

_CPU_DTYPE: Final = "float32"


@dataclass(frozen=True, kw_only=True)
class ModelWish:
    """What is to be served: settings of the model server, as it reads them.

    Attributes:
        dtype: MODEL_DTYPE; where it is empty, ``auto`` on a GPU and float32 on a CPU.
        context: MODEL_MAX_TOKENS.
        gpus: TENSOR_PARALLEL_SIZE.
        utilization: GPU_MEMORY_UTILIZATION.
        cpu_cache_bytes: VLLM_CPU_KVCACHE_SPACE.
    """

    described: Described
    dtype: str
    context: int
    gpus: int
    utilization: float
    cpu_cache_bytes: int


@dataclass(frozen=True, kw_only=True)
class ModelVerdict:
    """Where the model would run, how it fits there, and what to do if it doesn't."""

    device: Device
    place: Place
    shape: ModelShape
    fit: Fit
    advice: tuple[str, ...]


def verdict_on(wish: ModelWish, facts: Facts) -> ModelVerdict:
    """Return where the model would run and whether it fits there."""
    place = place_for(wish, facts)
    shape = wish.described.shape.as_dtype(wish.dtype or ("auto" if place.gpus else _CPU_DTYPE))
    return ModelVerdict(
        device=facts.device,
        place=place,
        shape=shape,
        fit=fit(shape, place),
        advice=tuple(remedies(shape, place, machine_gpus=len(facts.gpus))),
    )


def place_for(wish: ModelWish, facts: Facts) -> Place:
    """Return the GPUs with the most memory, as many as are to share the model; else the RAM."""
    memory = sorted((gpu.memory_bytes for gpu in facts.gpus), reverse=True)[: wish.gpus]
    if memory:
        return Place(
            memory_bytes=min(memory),
            gpus=len(memory),
            context=wish.context,
            utilization=wish.utilization,
        )
    free, limit = facts.system.available_bytes, facts.system.memory_limit_bytes
    return Place(
        memory_bytes=free if limit is None else min(free, limit),
        gpus=0,
        context=wish.context,
        cpu_cache_bytes=wish.cpu_cache_bytes,
    )


def judge_model(wish: ModelWish, facts: Facts) -> Iterable[Finding]:
    """Return whether the settings make sense here, and whether the model fits."""
    known, have = wish.described.shape.max_context, len(facts.gpus)
    if wish.gpus > have > 0:
        yield failed(
            "Model",
            f"TENSOR_PARALLEL_SIZE={wish.gpus}, and there is {counted(have, 'usable GPU')}",
            mend=f"Set TENSOR_PARALLEL_SIZE={have}.",
        )
    if wish.context > known > 0:
        yield failed(
            "Model",
            f"MODEL_MAX_TOKENS={wish.context}, and the model was made for {known}",
            mend=f"Set MODEL_MAX_TOKENS={known} or less.",
        )
    if facts.broken:
        yield failed(
            "Model",
            f"{wish.described.name} can't be judged before the GPU's driver works",
            mend="Mend the driver first: see above.",
        )
    else:
        yield _judge_fit(verdict_on(wish, facts), wish=wish)


def _judge_fit(verdict: ModelVerdict, *, wish: ModelWish) -> Finding:
    found, name = verdict.fit, wish.described.name
    about = "about " if wish.described.estimated else ""
    weights = f"{name}: {about}{gigabytes(found.weight_bytes)} of weights"
    where = _where(verdict.place)
    room = gigabytes(max(0, found.cache_bytes))
    if found.fits:
        return ok(
            "Model",
            f"{weights} fit {where}; {room} are left for the KV cache: {found.cache_tokens} "
            f"tokens, {counted(found.sessions, 'session')} of {wish.context}",
        )
    missing = {
        "weights": f"{gigabytes(-found.cache_bytes)} are missing",
        "context": f"{room} are left for the KV cache, too little for one session of "
        f"{wish.context} tokens",
        "heads": f"{verdict.shape.attention_heads} attention heads can't be dealt out to "
        f"{counted(verdict.place.gpus, 'GPU')}",
    }[found.shortage or "weights"]
    advice = " Or: ".join(verdict.advice)
    return failed("Model", f"{weights} don't fit {where}: {missing}", mend=advice)


def _where(place: Place) -> str:
    size = gigabytes(place.memory_bytes)
    if not place.gpus:
        return f"in {size} of free RAM"
    which = f"each of {place.gpus} GPUs" if place.gpus > 1 else "one GPU"
    return f"on {which} of {size} ({place.utilization:.0%} of it used)"
