"""Sizes and keyframes read from encoded frames.

Guards: the size is known before anything is decoded, for every size and profile an encoder makes;
hostile bytes raise `MalformedFrame` and nothing else, quickly.
"""

import contextlib
import random
import time

import pytest

from apps.streaming.bitstream import FrameHeader, MalformedFrame, inspect
from tests.unit.streaming.clips import encoded_clip, vp8_bomb


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (98, 66), (722, 1280)])
def test_vp8_declares_its_size_in_keyframes(size):
    width, height = size
    key, delta = encoded_clip("VP8", width=width, height=height, frames=2)
    assert inspect("VP8", key) == FrameHeader(keyframe=True, sizes=(size,))
    assert inspect("VP8", delta) == FrameHeader(keyframe=False)


@pytest.mark.parametrize("size", [(320, 240), (1920, 1080), (98, 66), (722, 1280)])
def test_h264_declares_its_padded_size(size):
    width, height = size
    key, delta = encoded_clip("H264", width=width, height=height, frames=2)
    padded = tuple(-(-edge // 16) * 16 for edge in size)
    assert inspect("H264", key) == FrameHeader(keyframe=True, sizes=(padded,))
    assert inspect("H264", delta) == FrameHeader(keyframe=False)


def test_a_bomb_is_seen_through():
    (key,) = encoded_clip("VP8", frames=1)
    assert inspect("VP8", vp8_bomb(key)).sizes == ((16_383, 16_383),)


def test_the_scaling_hint_is_not_part_of_the_size():
    (key,) = encoded_clip("VP8", frames=1)
    hinted = vp8_bomb(key, width=320 | 0xC000, height=240 | 0x4000)
    assert inspect("VP8", hinted).sizes == ((320, 240),)


@pytest.mark.parametrize("data", [b"", b"\x00", bytes(10), b"\x10\x02\x00\x9d\x01\x2b" + bytes(8)])
def test_a_vp8_keyframe_needs_its_start_code(data):
    with pytest.raises(MalformedFrame):
        inspect("VP8", data)


def test_a_parameter_set_cut_short_is_malformed():
    with pytest.raises(MalformedFrame, match="cut short"):
        inspect("H264", b"\x00\x00\x00\x01\x67\x42\x00")


def test_a_heap_of_parameter_sets_is_malformed():
    (key,) = encoded_clip("H264", frames=1)
    with pytest.raises(MalformedFrame, match="too many"):
        inspect("H264", key * 20)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_noise_is_read_or_malformed_and_quick(codec):
    dice = random.Random(3)
    (key,) = encoded_clip(codec, frames=1)
    started = time.thread_time()
    for _ in range(2_000):
        data = bytearray(key[:200])
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with contextlib.suppress(MalformedFrame):
            inspect(codec, bytes(data))
    assert time.thread_time() - started < 2


def test_a_large_frame_is_read_quickly():
    data = b"\x00\x00\x01\x41" * 200_000
    started = time.thread_time()
    assert inspect("H264", data) == FrameHeader(keyframe=False)
    assert time.thread_time() - started < 0.1


def test_other_codecs_are_not_known():
    with pytest.raises(ValueError, match="VP9"):
        inspect("VP9", b"\x00")
