"""Frames in Redis.

Guards: every key has a TTL from its first moment, one session cannot reach another's frames,
only an encoded frame is accepted, and nothing odd in Redis is taken for a frame.
"""

import asyncio

import pytest
from redis.asyncio import Redis

from apps.frames.encoding import encode
from apps.frames.privacy import PrivacyPolicy, apply
from apps.frames.store import FrameStore
from apps.frames.types import EncodedFrame, FilteredFrame, RawFrame
from tests.unit.frames.pictures import raw_frame


@pytest.fixture
def frame() -> EncodedFrame:
    return encode(filtered(), quality=80)


def filtered() -> FilteredFrame:
    return apply(raw_frame(640, 480), PrivacyPolicy(), max_edge=448)


async def test_a_frame_comes_back_whole(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    await store.put("s1", "f1", frame)
    assert frame.jpeg[:2] == b"\xff\xd8"
    assert await store.get("s1", "f1") == frame


async def test_the_key_lives_for_the_ttl_and_no_longer(redis: Redis, frame: EncodedFrame):
    await FrameStore(redis, ttl=30).put("s1", "f1", frame)
    assert 0 < await redis.pttl("frame:s1:f1") <= 30_000
    short = FrameStore(redis, ttl=0.05)
    await short.put("s1", "f2", frame)
    await asyncio.sleep(0.1)
    assert await short.get("s1", "f2") is None


async def test_the_ttl_is_part_of_the_write(redis: Redis, frame: EncodedFrame):
    """One command, so that no crash in between can leave a frame behind for ever."""
    async with redis.monitor() as monitor:
        await FrameStore(redis, ttl=30).put("s1", "f1", frame)
        commands: list[str] = []
        while not any("frame:s1:f1" in command for command in commands):
            commands.append((await asyncio.wait_for(monitor.next_command(), 30))["command"])
    assert commands[-1].startswith("SET frame:s1:f1")
    assert commands[-1].endswith("PX 30000")


async def test_strangers_see_nothing(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    await store.put("owner", "f1", frame)
    assert await store.get("stranger", "f1") is None


async def test_forget_removes_that_session_only(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    for number in range(3):
        await store.put("s1", f"f{number}", frame)
    await store.put("s12", "f1", frame)
    assert await store.forget("s1") == 3
    assert await store.get("s1", "f0") is None
    assert await store.get("s12", "f1") is not None


async def test_forget_takes_a_session_id_literally(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    await store.put("s1", "f1", frame)
    assert await store.forget("*") == 0
    assert await store.forget("s[1]") == 0


@pytest.mark.parametrize("frame", [raw_frame(64, 48), filtered()])
async def test_what_is_not_encoded_is_refused(redis: Redis, frame: RawFrame | FilteredFrame):
    with pytest.raises(TypeError):
        await FrameStore(redis, ttl=30).put("s1", "f1", frame)  # type: ignore[arg-type]
    assert await redis.dbsize() == 0


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x09" + bytes(40)])
async def test_what_is_not_a_frame_is_no_frame(redis: Redis, payload: bytes):
    await redis.set("frame:s1:f1", payload, ex=5)
    assert await FrameStore(redis, ttl=30).get("s1", "f1") is None


async def test_one_frame_of_a_session_is_kept_for_the_ttl(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    for name in ("f1", "f2"):
        await store.put("s1", name, frame)
        assert not await store.is_kept("s1", name)
        await redis.pexpire(f"frame:s1:{name}", 15_000)
        await store.keep("s1", name)
        assert 15_000 < await redis.pttl(f"frame:s1:{name}") <= 30_000
        assert await store.is_kept("s1", name)
    assert await store.get("s1", "f1") is None
    assert not await store.is_kept("s1", "f1")
    assert not await store.is_kept("stranger", "f2")
    assert 0 < await redis.pttl("frames:kept:s1") <= 30_000


async def test_a_kept_frame_that_is_gone_is_not_kept(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    await store.put("s1", "f1", frame)
    await store.keep("s1", "f1")
    await store.drop("s1", "f1")
    assert not await store.is_kept("s1", "f1")


async def test_forgetting_a_session_forgets_what_was_kept(redis: Redis, frame: EncodedFrame):
    store = FrameStore(redis, ttl=30)
    await store.put("s1", "f1", frame)
    await store.keep("s1", "f1")
    await store.forget("s1")
    assert await redis.keys("frame*") == []
