"""From the request for a frame to an encoded frame.

Guards: the frame carries its capture time; a picture that arrives older than the limit is never
let through, and the user hears that the stream is stalled.
"""

import time
from dataclasses import replace
from typing import Any

import pytest

from apps.contract import Refusal
from apps.frames.privacy import PrivacyPolicy
from apps.frames.types import EncodedFrame, RawFrame
from apps.streaming.capture import snapshot
from tests.unit.frames.pictures import raw_frame


class Peer:
    """Hands out one frame."""

    def __init__(self, frame: RawFrame) -> None:
        self.frame = frame

    async def capture(self, *, max_age: float, timeout: float) -> RawFrame:
        return self.frame


async def take(frame: RawFrame) -> EncodedFrame:
    peer: Any = Peer(frame)
    return await snapshot(
        peer, policy=PrivacyPolicy(), max_edge=448, quality=80, max_age=2.0, timeout=1.0
    )


async def test_the_capture_time_goes_with_the_frame():
    frame = replace(raw_frame(1280, 720), captured_at=time.time() - 0.5)
    taken = await take(frame)
    assert taken.captured_at == frame.captured_at
    assert (taken.width, taken.height) == (448, 252)


async def test_a_picture_that_comes_too_late_is_a_stalled_stream():
    frame = replace(raw_frame(1280, 720), captured_at=time.time() - 2.1)
    with pytest.raises(Refusal) as failure:
        await take(frame)
    assert failure.value.code == "stream_stalled"
