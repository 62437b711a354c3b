"""From the wish for a frame to a frame in the store."""

import asyncio
import time
from dataclasses import dataclass

from apps.frames import privacy
from apps.frames.privacy import PrivacyPolicy
from apps.frames.store import FrameStore
from apps.streaming import metrics
from apps.streaming.errors import StreamStalled
from apps.streaming.peer import PeerSession


@dataclass(frozen=True)
class StoredFrame:
    """Names a stored frame; sizes in pixels as stored, `captured_at` seconds since epoch."""

    frame_id: str
    width: int
    height: int
    captured_at: float
    source_width: int
    source_height: int


async def snapshot(
    peer: PeerSession,
    *,
    store: FrameStore,
    session_id: str,
    frame_id: str,
    policy: PrivacyPolicy,
    max_edge: int,
    quality: int,
    max_age: float,
    timeout: float,
) -> StoredFrame:
    """Take the freshest frame, filter it, encode it and store it.

    Filtering and encoding run in a thread, off the event loop. `max_age` and `timeout` (seconds)
    bound the frame's age and the wait for a fresh one: pictures that are older than that when they
    get here are as good as none. Raises `CaptureFailed` (one of its kinds),
    `apps.frames.privacy.FilterFailed`, or Redis's own errors; nothing is stored then.
    """
    asked_at = time.monotonic()
    raw = await peer.capture(max_age=max_age, timeout=timeout)
    if time.time() - raw.captured_at > max_age:
        raise StreamStalled("The camera's pictures arrive too late to answer on.")
    frame = await asyncio.to_thread(privacy.apply, raw, policy, max_edge=max_edge)
    encoded = await store.put(session_id, frame_id, frame, quality=quality)
    metrics.SNAPSHOT_DURATION.observe(time.monotonic() - asked_at)
    return StoredFrame(
        frame_id=frame_id,
        width=encoded.width,
        height=encoded.height,
        captured_at=encoded.captured_at,
        source_width=frame.source_width,
        source_height=frame.source_height,
    )
