"""From the wish for a frame to the frame in the store.

Guards: the stored frame carries its capture time; a picture that arrives older than the limit is
never stored, and the user hears that the stream is stalled.
"""

import time
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from apps.frames.privacy import PrivacyPolicy
from apps.frames.store import FrameStore
from apps.frames.types import RawFrame
from apps.streaming.capture import StoredFrame, snapshot
from apps.streaming.errors import StreamStalled
from tests.unit.frames.pictures import raw_frame


class Peer:
    """Hands out one frame."""

    def __init__(self, frame: RawFrame) -> None:
        self.frame = frame

    async def capture(self, *, max_age: float, timeout: float) -> RawFrame:
        return self.frame


async def take(redis: Redis, frame: RawFrame) -> StoredFrame:
    peer: Any = Peer(frame)
    return await snapshot(
        peer,
        store=FrameStore(redis, ttl=30),
        session_id="s1",
        frame_id="f1",
        policy=PrivacyPolicy(),
        max_edge=448,
        quality=80,
        max_age=2.0,
        timeout=1.0,
    )


async def test_the_capture_time_goes_with_the_frame(redis: Redis):
    frame = replace(raw_frame(1280, 720), captured_at=time.time() - 0.5)
    stored = await take(redis, frame)
    kept = await FrameStore(redis, ttl=30).get("s1", "f1")
    assert kept is not None
    assert stored.captured_at == kept.captured_at == frame.captured_at
    assert (stored.width, stored.height, stored.source_width) == (448, 252, 1280)


async def test_a_picture_that_comes_too_late_is_a_stalled_stream(redis: Redis):
    frame = replace(raw_frame(1280, 720), captured_at=time.time() - 2.1)
    with pytest.raises(StreamStalled) as failure:
        await take(redis, frame)
    assert failure.value.code == "stream_stalled"
    assert await redis.keys("frame:*") == []
