"""What the filters cost."""

import itertools
import statistics
import time
from typing import Final

import numpy as np

from apps.frames import privacy
from apps.frames.privacy import PrivacyPolicy
from apps.frames.types import RawFrame
from deploy.privacy_check.judges import MAX_EDGE

_POLICIES: Final = {
    "none": PrivacyPolicy(),
    "face_blur": PrivacyPolicy(face_blur=True),
    "nsfw": PrivacyPolicy(nsfw=True, nsfw_threshold=1),
    "both": PrivacyPolicy(face_blur=True, nsfw=True, nsfw_threshold=1),
}


def speed(raws: dict[str, RawFrame], *, runs: int) -> dict[str, dict[str, float]]:
    """Return each filter's milliseconds a frame in one thread, clock and processor time."""
    return {
        f"{frame} {name}": _cost(raw, policy, runs=runs)
        for (frame, raw), (name, policy) in itertools.product(raws.items(), _POLICIES.items())
    }


def _cost(raw: RawFrame, policy: PrivacyPolicy, *, runs: int) -> dict[str, float]:
    privacy.apply(raw, policy, max_edge=MAX_EDGE)  # The first loads the model.
    clock, busy = [], []
    for _ in range(runs):
        began, began_busy = time.perf_counter(), time.thread_time()
        privacy.apply(raw, policy, max_edge=MAX_EDGE)
        clock.append((time.perf_counter() - began) * 1000)
        busy.append((time.thread_time() - began_busy) * 1000)
    return {
        "clock median": round(statistics.median(clock), 1),
        "clock p95": round(float(np.percentile(clock, 95)), 1),
        "processor median": round(statistics.median(busy), 1),
        "processor p95": round(float(np.percentile(busy, 95)), 1),
    }
