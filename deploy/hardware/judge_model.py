"""Whether the configured model fits on this machine, and with what room. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.hardware.facts import Facts
from deploy.hardware.findings import Finding, counted, failed, ok
from deploy.models.advice import can_compute, remedies, smaller
from deploy.models.amounts import amount
from deploy.models.checkpoint import Described
from deploy.models.download.place import SPARE_BYTES
from deploy.models.dtype import default_dtype
from deploy.models.fit import Fit, Place, fit
from deploy.models.processor import NATIVE_BFLOAT16, NATIVE_FP8, free_memory
from deploy.models.serving import Device
from deploy.models.shape import ModelShape


@dataclass(frozen=True, kw_only=True)
class ModelWish:
    """What is to be served: settings of the model server, as it reads them.

    Attributes:
        dtype: MODEL_DTYPE; empty for what the model server takes by itself.
        context: MODEL_MAX_TOKENS.
        gpus: TENSOR_PARALLEL_SIZE.
        utilization: GPU_MEMORY_UTILIZATION.
        cpu_cache_bytes: VLLM_CPU_KVCACHE_SPACE.
        downloaded: known models that are on the disk, by their short names.
    """

    described: Described
    dtype: str
    context: int
    gpus: int
    utilization: float
    cpu_cache_bytes: int
    downloaded: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ModelVerdict:
    """Where the model would run, how it fits there, and what to do if it doesn't.

    Attributes:
        dtype: what it is served in.
        shape: its sizes in that.
        computable: vLLM can compute its numbers there.
        missing_bytes: what is still to be downloaded.
        disk_bytes: what is free for that; None if it isn't known.
    """

    device: Device
    place: Place
    dtype: str
    shape: ModelShape
    fit: Fit
    computable: bool
    missing_bytes: int
    disk_bytes: int | None
    advice: tuple[str, ...]

    @property
    def serves(self) -> bool:
        """Does it fit into the memory, and can be computed?"""
        return self.fit.fits and self.computable

    @property
    def has_room(self) -> bool:
        """Does what is to be downloaded fit on the disk, as far as is known?"""
        if not self.missing_bytes or self.disk_bytes is None:
            return True
        return self.missing_bytes + SPARE_BYTES <= self.disk_bytes


def verdict_on(wish: ModelWish, facts: Facts) -> ModelVerdict:
    """Return where the model would run and whether it fits there."""
    place = place_for(wish, facts)
    dtype = wish.dtype or default_dtype(wish.described.shape, place)
    shape = wish.described.shape.as_dtype(dtype)
    return ModelVerdict(
        device=facts.device,
        place=place,
        dtype=dtype,
        shape=shape,
        fit=fit(shape, place),
        computable=can_compute(shape, place),
        missing_bytes=wish.described.missing_bytes,
        disk_bytes=place.disk_bytes,
        advice=tuple(remedies(shape, place, memories=_memories(facts))),
    )


def place_for(wish: ModelWish, facts: Facts) -> Place:
    """Return the GPUs with the most memory, as many as are to share the model; else the RAM."""
    memories, system = _memories(facts)[: wish.gpus], facts.system
    features = frozenset(system.processor.features)
    on_cpu = not memories
    ram = free_memory(system.available_bytes, system.memory_limit_bytes)
    return Place(
        memory_bytes=ram if on_cpu else min(memories),
        gpus=len(memories),
        context=wish.context,
        utilization=wish.utilization,
        cpu_cache_bytes=wish.cpu_cache_bytes,
        native_bfloat16=bool(NATIVE_BFLOAT16 & features),
        computes_fp8=(
            features >= NATIVE_FP8 if on_cpu else all(gpu.computes_fp8 for gpu in facts.gpus)
        ),
        disk_bytes=system.disk.free if system.disk else None,
        downloaded=wish.downloaded,
    )


def _memories(facts: Facts) -> list[int]:
    return sorted((gpu.memory_bytes for gpu in facts.gpus), reverse=True)


def judge_model(wish: ModelWish, facts: Facts) -> Iterable[Finding]:
    """Return whether the settings make sense here, and whether the model fits."""
    verdict = verdict_on(wish, facts)
    yield from _judge_settings(wish, facts)
    if facts.broken:
        yield failed(
            "Model",
            f"{wish.described.name} can't be judged before the GPU's driver works",
            mend="Mend the driver first: see above.",
        )
    else:
        yield _judge_fit(verdict, wish=wish)
    if not verdict.has_room:
        yield _judge_download(verdict, name=wish.described.name, folder=facts.system.disk_folder)


def _judge_settings(wish: ModelWish, facts: Facts) -> Iterable[Finding]:
    shape, have = wish.described.shape, len(facts.gpus)
    if wish.gpus > max(1, have) and not facts.broken:
        gpus = counted(have, "usable GPU") if have else "no usable GPU"
        most = max(n for n in range(1, max(1, have) + 1) if not shape.attention_heads % n)
        yield failed(
            "Model",
            f"TENSOR_PARALLEL_SIZE={wish.gpus}, and there {'is' if have < 2 else 'are'} {gpus}",
            mend=f"Set TENSOR_PARALLEL_SIZE={most}.",
        )
    if wish.context > shape.max_context > 0:
        yield failed(
            "Model",
            f"MODEL_MAX_TOKENS={wish.context}, and the model was made for {shape.max_context}",
            mend=f"Set MODEL_MAX_TOKENS={shape.max_context} or less.",
        )
    if wish.dtype == "bfloat16" and any(gpu.lacks_bfloat16 for gpu in facts.gpus):
        yield failed(
            "Model",
            "MODEL_DTYPE=bfloat16, which a GPU here doesn't compute",
            mend="Set MODEL_DTYPE=auto: vLLM takes float16 then.",
        )


def _judge_fit(verdict: ModelVerdict, *, wish: ModelWish) -> Finding:
    found, name = verdict.fit, wish.described.name
    about = "about " if wish.described.estimated else ""
    in_dtype = "" if verdict.dtype == "auto" else f" in {verdict.dtype}"
    weights = f"{name}: {about}{amount(found.weight_bytes)} of weights{in_dtype}"
    where = _where(verdict.place)
    room = amount(max(0, found.cache_bytes))
    if verdict.serves:
        return ok(
            "Model",
            f"{weights} fit {where}; {room} are left for the KV cache: {found.cache_tokens} "
            f"tokens, {counted(found.sessions, 'session')} of {wish.context}",
        )
    advice = " Or: ".join(verdict.advice)
    if found.fits:
        return failed("Model", f"{name} is in FP8, which this CPU can't compute", mend=advice)
    missing = {
        "weights": f"{amount(-found.cache_bytes)} are missing",
        "context": f"{room} are left for the KV cache, too little for one session of "
        f"{wish.context} tokens",
        "heads": f"{verdict.shape.attention_heads} attention heads can't be dealt out to "
        f"{counted(verdict.place.gpus, 'GPU')}",
    }[found.shortage or "weights"]
    return failed("Model", f"{weights} don't fit {where}: {missing}", mend=advice)


def _judge_download(verdict: ModelVerdict, *, name: str, folder: str) -> Finding:
    free = amount(verdict.disk_bytes or 0)
    others = " ".join(smaller(verdict.place)) if verdict.serves else ""
    return failed(
        "Disk",
        f"{name} has {amount(verdict.missing_bytes)} to download, and {free} are free at {folder}",
        mend=f"Make room there, or make {folder} a link to a larger disk."
        f"{f' Or: {others}' if others else ''}",
    )


def _where(place: Place) -> str:
    size = amount(place.memory_bytes)
    if not place.gpus:
        return f"in {size} of free RAM"
    which = f"each of {place.gpus} GPUs" if place.gpus > 1 else "one GPU"
    return f"on {which} of {size} ({place.utilization:.0%} of it used)"
