"""How a model is started on a machine, or why it is not. Pure: same facts, same choice."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from deploy.hardware.facts import Facts
from deploy.hardware.gpus import VendorReading
from deploy.hardware.judge_gpus import judge_gpus
from deploy.hardware.judge_model import ModelVerdict, ModelWish, place_for, verdict_on
from deploy.models.advice import fitting_models, has_room
from deploy.models.amounts import amount
from deploy.models.dtype import dtypes_for
from deploy.models.profiles import profile_of

# A picture, a question and some turns take hundreds of tokens. More context than the first costs
# memory that other sessions want; less than the last is of little use.
GPU_CONTEXTS: Final = (8192, 4096, 2048)
CPU_CONTEXTS: Final = (4096, 2048)


class DoesNotFit(Exception):
    """The model can't be had on this machine; the message says why, and what can."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the model is started.

    Attributes:
        device: which build of vLLM: cpu, cuda or rocm.
        context: tokens of a session.
        dtype: MODEL_DTYPE.
        gpus: how many share the model.
        notes: sentences for the person who asked.
    """

    device: str
    context: int
    dtype: str
    gpus: int
    notes: tuple[str, ...]


def without_gpus(facts: Facts) -> Facts:
    """Return the same machine as if it had a CPU alone (VLLM_DEVICE=cpu)."""
    return replace(facts, amd=VendorReading(), nvidia=VendorReading())


def choose(wish: ModelWish, facts: Facts, *, settings: Mapping[str, str]) -> Choice:
    """Return how the model is started.

    Args:
        wish: what is to be served, with the settings' own values or defaults.
        settings: which of MODEL_MAX_TOKENS, MODEL_DTYPE and TENSOR_PARALLEL_SIZE were given; these
            are kept, the others are chosen.

    Raises:
        DoesNotFit: however they are chosen, or a GPU that there is can't be used yet.
    """
    _refuse_unusable_gpus(facts)
    tried = list(_possible(wish, facts, settings=settings))
    for possible in tried:
        verdict = verdict_on(possible, facts)
        if verdict.serves and not verdict.has_room:
            raise DoesNotFit(_no_room(verdict, wish=possible, facts=facts))
        if verdict.serves:
            return _chosen(possible, verdict, facts=facts)
    # What asks for least says best why it doesn't fit.
    refusal = _refusal(tried[-1], verdict_on(tried[-1], facts), facts=facts)
    raise DoesNotFit(f"{refusal} ({_machine(facts)}). {_instead(wish, facts)}")


def _refuse_unusable_gpus(facts: Facts) -> None:
    """Before gigabytes are installed for them."""
    if not facts.gpus:
        return
    for finding in judge_gpus(facts):
        if finding.status == "failed":
            raise DoesNotFit(
                f"The GPU can't be used yet ({finding.group}: {finding.found}). {finding.mend} "
                "Or set VLLM_DEVICE=cpu."
            )


def _possible(wish: ModelWish, facts: Facts, *, settings: Mapping[str, str]) -> Iterator[ModelWish]:
    """Yield the settings to try, the best first: few GPUs, then a long context."""
    contexts = GPU_CONTEXTS if facts.gpus else CPU_CONTEXTS
    longest = wish.described.shape.max_context or contexts[0]
    if settings.get("MODEL_MAX_TOKENS"):
        useful, short = [wish.context], []
    else:
        fitting = list(dict.fromkeys(min(context, longest) for context in contexts))
        useful, short = fitting[:-1] or fitting, fitting[-1:]
    for rather in (useful, short):
        for gpus in _gpus(wish, facts, settings=settings):
            for dtype in _dtypes(wish, facts, settings=settings):
                for context in rather:
                    yield replace(wish, gpus=gpus, dtype=dtype, context=context)


def _gpus(wish: ModelWish, facts: Facts, *, settings: Mapping[str, str]) -> Iterable[int]:
    if settings.get("TENSOR_PARALLEL_SIZE") or not facts.gpus:
        return (wish.gpus,)
    return tuple(count for count in (1, 2, 4, 8) if count <= len(facts.gpus))


def _dtypes(wish: ModelWish, facts: Facts, *, settings: Mapping[str, str]) -> tuple[str, ...]:
    if settings.get("MODEL_DTYPE"):
        return (wish.dtype,)
    return dtypes_for(wish.described.shape, place_for(wish, facts))


def _chosen(wish: ModelWish, verdict: ModelVerdict, *, facts: Facts) -> Choice:
    found = verdict.fit
    about = "about " if wish.described.estimated else ""
    notes = [
        f"{_machine(facts)}: {wish.described.name} fits with {about}"
        f"{amount(found.weight_bytes)} of weights{' each' if wish.gpus > 1 else ''}, "
        f"{found.sessions} sessions of {wish.context} tokens at once.",
    ]
    if facts.broken:
        notes.append(
            "There is a GPU whose driver does not work, so it is left out: "
            "scripts/check_hardware.sh says what to do."
        )
    if facts.too_old:
        names = ", ".join(gpu.name for gpu in facts.too_old)
        notes.append(f"Too old for vLLM, so left out: {names}.")
    if profile_of([wish.described.shape.architecture]) is None:
        notes.append(
            f"{wish.described.shape.architecture or 'Its architecture'} is none of the families "
            "that QwenCam has settings for: vLLM's own are used."
        )
    notes.append(_speed(facts))
    return Choice(
        device=verdict.device,
        context=wish.context,
        dtype=wish.dtype,
        gpus=max(1, verdict.place.gpus),
        notes=tuple(notes),
    )


def _machine(facts: Facts) -> str:
    if facts.gpus:
        count = f"{len(facts.gpus)}x " if len(facts.gpus) > 1 else ""
        return f"{count}{facts.gpus[0].name}, {amount(facts.gpus[0].memory_bytes)}"
    system = facts.system
    return f"No GPU, {system.processor.cpus} CPUs, {amount(system.available_bytes)} free"


def _speed(facts: Facts) -> str:
    if facts.gpus:
        return "How fast it answers here, nobody has measured: scripts/benchmark.py does."
    return (
        "Without a GPU it is slow: each word of an answer takes a pass through all weights, on "
        f"{facts.system.processor.cpus} CPUs. Expect to wait for answers, longer the larger the "
        "model; live mode will lag behind. It is for a look, not for work."
    )


def _refusal(wish: ModelWish, verdict: ModelVerdict, *, facts: Facts) -> str:
    name, found = wish.described.name, verdict.fit
    if not verdict.computable:
        return f"{name} is in FP8, which this CPU can't compute"
    if found.shortage == "context":
        return f"No session of {wish.context} tokens (MODEL_MAX_TOKENS) fits beside {name}"
    if found.shortage == "heads":
        return f"{name} can't be dealt out to {wish.gpus} GPUs"
    each = f" on each of {wish.gpus} GPUs" if wish.gpus > 1 else ""
    return f"{name} does not fit: its weights are {amount(found.weight_bytes)}{each}"


def _no_room(verdict: ModelVerdict, *, wish: ModelWish, facts: Facts) -> str:
    free, folder = amount(verdict.disk_bytes or 0), facts.system.disk_folder
    return (
        f"{wish.described.name} has {amount(verdict.missing_bytes)} to download, and {free} are "
        f"free at {folder}: make room, or make it a link to a larger disk. {_instead(wish, facts)}"
    )


def _instead(wish: ModelWish, facts: Facts) -> str:
    """Say which known models could be started here; on a CPU the smallest, so quickest, first."""
    contexts = GPU_CONTEXTS if facts.gpus else CPU_CONTEXTS
    shortest = replace(wish, context=contexts[-1], gpus=1)
    places = [
        place_for(replace(shortest, gpus=gpus), facts)
        for gpus in _gpus(shortest, facts, settings={})
    ]
    fitting = {
        model.name: model
        for place in places
        for model in fitting_models(place)
        if has_room(model, place)
    }
    if not fitting:
        return "No known model fits here: give VLLM_BASE_URL of a server elsewhere."
    able = sorted(fitting.values(), key=lambda model: model.parameters, reverse=bool(facts.gpus))
    return f"What fits: {', '.join(model.name for model in able[:3])}."
