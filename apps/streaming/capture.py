"""From a request for a frame to a frame that may leave the process."""

import asyncio
import time

from apps.contract import ErrorCode, Refusal
from apps.frames import privacy
from apps.frames.encoding import encode, model_size
from apps.frames.privacy import PrivacyPolicy
from apps.frames.scene import Thumbnail, difference, thumbnail
from apps.frames.types import EncodedFrame, RawFrame
from apps.streaming import metrics
from apps.streaming.peer import PeerSession
from apps.streaming.types import CapturePurpose


class SceneUnchanged(Exception):
    """The camera sees what it saw when live mode was last answered.

    Width and height (pixels) are those that the model would be given, `captured_at` is seconds
    since epoch.
    """

    def __init__(self, *, width: int, height: int, captured_at: float) -> None:
        super().__init__("The scene has not changed.")
        self.width = width
        self.height = height
        self.captured_at = captured_at


async def snapshot(
    peer: PeerSession,
    *,
    policy: PrivacyPolicy,
    max_edge: int,
    quality: int,
    max_age: float,
    timeout: float,
    purpose: CapturePurpose = "asked",
    change_threshold: float = 0.0,
) -> EncodedFrame:
    """Take the freshest frame, filter it and encode it.

    Filtering and encoding run in a thread, off the event loop. `max_age` and `timeout` (seconds)
    bound the frame's age and the wait for a fresh one: pictures that are older than that when they
    get here are as good as none. A scene counts as unchanged when it differs by less than
    `change_threshold` (levels of grey; 0: it never does).

    Raises:
        Refusal: as `PeerSession.capture` and `apps.frames.privacy.apply` do.
        SceneUnchanged: the scene is as it was.
    """
    asked_at = time.monotonic()
    raw = await peer.capture(max_age=max_age, timeout=timeout)
    if time.time() - raw.captured_at > max_age:
        detail = "The camera's pictures arrive too late to answer on."
        raise Refusal(ErrorCode.STREAM_STALLED, detail)
    scene = thumbnail(raw) if purpose != "asked" and change_threshold else None
    if purpose == "live_if_changed" and _is_same(peer.scene, scene, threshold=change_threshold):
        raise _unchanged(raw, max_edge=max_edge)
    # One hand-over to a thread for both steps: each would wait for the interpreter's lock (GIL).
    frame = await asyncio.to_thread(_filtered_jpeg, raw, policy, max_edge=max_edge, quality=quality)
    if purpose != "asked":
        peer.scene = scene
    metrics.SNAPSHOT_DURATION.observe(time.monotonic() - asked_at)
    return frame


def _filtered_jpeg(
    raw: RawFrame, policy: PrivacyPolicy, *, max_edge: int, quality: int
) -> EncodedFrame:
    return encode(privacy.apply(raw, policy, max_edge=max_edge), quality=quality)


def _is_same(before: Thumbnail | None, now: Thumbnail | None, *, threshold: float) -> bool:
    return before is not None and now is not None and difference(before, now) < threshold


def _unchanged(raw: RawFrame, *, max_edge: int) -> SceneUnchanged:
    width, height = model_size(raw.width, raw.height, max_edge=max_edge)
    return SceneUnchanged(width=width, height=height, captured_at=raw.captured_at)
