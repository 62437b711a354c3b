"""The one gate between a raw frame and everything that may see it."""

from dataclasses import dataclass

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from apps.frames.encoding import model_size
from apps.frames.types import _SEAL, FilteredFrame, RawFrame


class FilterFailed(Exception):
    """A privacy filter is on and could not do its work: the frame is dropped, never let pass."""

    code = "filter_failed"

    def __init__(self, detail: str) -> None:
        """Keep `detail`, one sentence for the person at the camera."""
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True)
class PrivacyPolicy:
    """Which filters every frame of a stream must pass."""

    face_blur: bool = False
    nsfw: bool = False


def apply(raw: RawFrame, policy: PrivacyPolicy, *, max_edge: int) -> FilteredFrame:
    """Return `raw` resized for the model and filtered by `policy`.

    About 1 ms for 1280x720 pixels, in the caller's thread. Raises `FilterFailed` when a filter
    is on that cannot run: the frame must not go anywhere then.
    """
    _require_detectors(policy)
    return FilteredFrame(
        pixels=_resize(raw, max_edge=max_edge),
        captured_at=raw.captured_at,
        source_width=raw.width,
        source_height=raw.height,
        seal=_SEAL,
    )


def _require_detectors(policy: PrivacyPolicy) -> None:
    # No detector is part of the platform yet, so a filter that is on closes the gate.
    if policy.face_blur:
        raise FilterFailed("Face blur is on, but no face detector is installed.")
    if policy.nsfw:
        raise FilterFailed("The NSFW filter is on, but no NSFW detector is installed.")


def _resize(raw: RawFrame, *, max_edge: int) -> NDArray[np.uint8]:
    width, height = model_size(raw.width, raw.height, max_edge=max_edge)
    # A reformatter of its own: the one inside VideoFrame is shared by every thread that
    # converts the same frame. One scaling thread: the caller is one of many.
    resized = VideoReformatter().reformat(
        raw.image,
        width=width,
        height=height,
        format="rgb24",
        interpolation=Interpolation.AREA,
        threads=1,
    )
    return np.ascontiguousarray(resized.to_ndarray(), dtype=np.uint8)
