"""Encoded frames in Redis for a few seconds: the only place where frame keys are known."""

import re
import struct
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from apps.frames.types import EncodedFrame

_HEADER: Final = struct.Struct(">BHHd16s")
"""Layout version, width, height, captured_at (seconds since epoch), uuid; the JPEG follows."""

_VERSION: Final = 1
_SCAN_BATCH: Final = 500  # Keys that Redis looks at in one go, while all others wait.


@dataclass(frozen=True)
class FrameStore:
    """Frames by session and id. `ttl` is seconds; no key ever exists without it.

    `redis` hands out bytes (`decode_responses=False`).
    """

    redis: Redis
    ttl: float

    async def put(self, session_id: str, frame_id: str, frame: EncodedFrame) -> None:
        """Store `frame`. Only an encoded frame is accepted: TypeError for anything else."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            self.add_put(pipeline, session_id, frame_id, frame)
            await pipeline.execute()

    def add_put(
        self, pipeline: Pipeline, session_id: str, frame_id: str, frame: EncodedFrame
    ) -> None:
        """Add what `put` does to a pipeline, to share its one round trip to Redis."""
        if not isinstance(frame, EncodedFrame):
            raise TypeError("Only an encoded frame may be stored.")
        pipeline.set(_key(session_id, frame_id), _pack(frame), px=max(1, round(self.ttl * 1000)))

    async def get(self, session_id: str, frame_id: str) -> EncodedFrame | None:
        """Return that frame, or None when it expired or never was."""
        return self.read(await self.redis.get(_key(session_id, frame_id)))

    def add_get(self, pipeline: Pipeline, session_id: str, frame_id: str) -> None:
        """Add the reading of a frame to a pipeline; `read` takes its result."""
        pipeline.get(_key(session_id, frame_id))

    def read(self, found: object) -> EncodedFrame | None:
        """Return the frame in what Redis gave, None when there is none."""
        return _unpack(found) if isinstance(found, bytes) else None

    async def keep(self, session_id: str, frame_id: str) -> None:
        """Keep one frame for `ttl` from now, and no other that was kept of that session.

        It is kept because its owner wants to ask about it again.
        """
        px = max(1, round(self.ttl * 1000))
        before = await self.redis.set(_kept(session_id), frame_id, px=px, get=True)
        await self.redis.pexpire(_key(session_id, frame_id), px)
        if isinstance(before, bytes) and before.decode() != frame_id:
            await self.drop(session_id, before.decode())

    async def is_kept(self, session_id: str, frame_id: str) -> bool:
        """Return whether that frame is kept and still there."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.get(_kept(session_id))
            pipe.exists(_key(session_id, frame_id))
            kept, there = await pipe.execute()
        return bool(there) and kept == frame_id.encode()

    async def drop(self, session_id: str, frame_id: str) -> None:
        """Delete one frame now: nobody needs it any more."""
        await self.redis.unlink(_key(session_id, frame_id))

    async def forget(self, session_id: str) -> int:
        """Delete every frame of that session now; return how many there were."""
        pattern = f"frame:{_escape(session_id)}:*"
        deleted = 0
        async for key in self.redis.scan_iter(match=pattern, count=_SCAN_BATCH):
            deleted += await self.redis.unlink(key)
        await self.redis.unlink(_kept(session_id))
        return deleted


def _key(session_id: str, frame_id: str) -> str:
    return f"frame:{session_id}:{frame_id}"


def _kept(session_id: str) -> str:
    return f"frames:kept:{session_id}"


def _escape(text: str) -> str:
    """Return `text` so that a Redis glob pattern takes it literally."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


def _pack(frame: EncodedFrame) -> bytes:
    header = _HEADER.pack(
        _VERSION, frame.width, frame.height, frame.captured_at, bytes.fromhex(frame.uuid)
    )
    return header + frame.jpeg


def _unpack(payload: bytes) -> EncodedFrame | None:
    if len(payload) < _HEADER.size or payload[0] != _VERSION:
        return None
    _, width, height, captured_at, uuid = _HEADER.unpack_from(payload)
    return EncodedFrame(
        jpeg=payload[_HEADER.size :],
        width=width,
        height=height,
        captured_at=captured_at,
        uuid=uuid.hex(),
    )
