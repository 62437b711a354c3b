"""Does a model fit into memory, with how much of a cache, for how many sessions? Pure arithmetic.

An estimate: the weights and the cache are exact, what vLLM needs beside them is not. As it
starts it says what it really has ("Available KV cache memory"), and that is what counts.
"""

from dataclasses import dataclass
from typing import Final, Literal

from deploy.models.shape import ModelShape

_GIB: Final = 1024**3
# The runtime, the kernels, the sampler's and the largest batch's tensors, graphs: more on a larger
# card, since vLLM takes larger batches there.
_GPU_OVERHEAD_BYTES: Final = 2 * _GIB
_GPU_OVERHEAD_SHARE: Final = 0.03
# Interpreter, torch's libraries and buffers of vLLM's CPU build.
_CPU_OVERHEAD_BYTES: Final = 2 * _GIB

Shortage = Literal["weights", "context", "heads"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model is to run.

    Attributes:
        memory_bytes: of each GPU, or what is free of the RAM.
        gpus: how many share the model; 0 is the CPU.
        utilization: share of each GPU's memory that vLLM may take.
        context: tokens of a session, question and answer and history.
        cpu_cache_bytes: what a CPU keeps keys and values in.
        native_bfloat16: a CPU has instructions for such numbers.
        computes_fp8: it computes in FP8, not only stores it.
        disk_bytes: what is free where models are kept; None if that isn't known.
        downloaded: known models that are there already, by their short names.
    """

    memory_bytes: int
    gpus: int
    context: int
    utilization: float = 0.90
    cpu_cache_bytes: int = _GIB
    native_bfloat16: bool = False
    computes_fp8: bool = False
    disk_bytes: int | None = None
    downloaded: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what no machine is."""
        if self.gpus < 0 or self.context < 1 or not 0 < self.utilization <= 1:
            raise ValueError("A place has no fewer than 0 GPUs, some context, a share of 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a model fits; bytes are those of one GPU (or of the RAM).

    Attributes:
        shortage: why it doesn't fit; None if it does. ``context``: the weights fit, but not one
            session; ``heads``: its heads can't be dealt out to so many GPUs.
        cache_bytes: what is left for keys and values; negative: what is missing.
        cache_tokens: tokens of all sessions together that fit in there.
        sessions: how many sessions can have their whole context in there at once.
    """

    shortage: Shortage | None
    budget_bytes: int
    weight_bytes: int
    overhead_bytes: int
    cache_bytes: int
    cache_tokens: int
    sessions: int

    @property
    def fits(self) -> bool:
        """Does it?"""
        return self.shortage is None


def fit(shape: ModelShape, place: Place) -> Fit:
    """Return how a model fits at a place."""
    gpus = max(1, place.gpus)
    budget = int(place.memory_bytes * (place.utilization if place.gpus else 1))
    overhead = _overhead(place)
    weights = shape.weight_bytes // gpus
    left = budget - weights - overhead
    cache = left if place.gpus else min(left, place.cpu_cache_bytes)
    per_token = shape.cache_bytes_per_token(gpus=gpus)
    session = place.context * per_token + shape.state_bytes // gpus
    sessions = max(0, cache) // max(1, session)
    return Fit(
        shortage=_shortage(shape, gpus=gpus, cache=cache, sessions=sessions),
        budget_bytes=budget,
        weight_bytes=weights,
        overhead_bytes=overhead,
        cache_bytes=cache,
        cache_tokens=max(0, cache) // max(1, per_token),
        sessions=sessions,
    )


def _overhead(place: Place) -> int:
    if not place.gpus:
        return _CPU_OVERHEAD_BYTES
    return _GPU_OVERHEAD_BYTES + int(place.memory_bytes * _GPU_OVERHEAD_SHARE)


def _shortage(shape: ModelShape, *, gpus: int, cache: int, sessions: int) -> Shortage | None:
    if shape.attention_heads % gpus:
        return "heads"
    if cache <= 0:
        return "weights"
    return None if sessions else "context"


def largest_context(shape: ModelShape, place: Place) -> int:
    """Return the longest context that one session can have there, in steps of 256 tokens."""
    found = fit(shape, place)
    gpus = max(1, place.gpus)
    room = found.cache_bytes - shape.state_bytes // gpus
    tokens = max(0, room) // shape.cache_bytes_per_token(gpus=gpus) // 256 * 256
    return min(tokens, shape.max_context or tokens)
