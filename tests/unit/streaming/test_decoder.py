"""The guard in front of the codecs.

Guards: a frame that declares a huge size costs neither time nor memory (a real one of 112 kB
cost 256 ms and 507 MB without the guard); the stream goes on with the next frame of legal size;
no picture is built on a base that was never decoded; the decoder thread never dies.
"""

import time

import aiortc.rtcrtpreceiver
import av
import psutil
import pytest
from aiortc.codecs import CODECS
from aiortc.codecs.h264 import H264Decoder
from aiortc.jitterbuffer import JitterFrame

from apps.streaming.decoder import GuardedDecoder, LedgerCodec, Resync, install
from apps.streaming.ledger import StreamLedger
from apps.streaming.limits import FrameLimits
from tests.unit.streaming.clips import encoded_clip, vp8_bomb

LIMITS = FrameLimits(1920, 1080)


class World:
    """One guarded decoder and its ledger."""

    def __init__(self, codec: str, limits: FrameLimits = LIMITS) -> None:
        self.told = 0
        self.ledger = StreamLedger(on_refused=self._tell)
        self.decoder = GuardedDecoder(codec, limits=limits, ledger=self.ledger)
        self._timestamp = 0

    def _tell(self) -> None:
        self.told += 1

    def decode(self, data: bytes) -> list[tuple[int, int]] | str:
        """Sizes of the pictures that come out, or "keyframe" when one is asked for."""
        self._timestamp += 3000
        try:
            frames = self.decoder.decode(JitterFrame(data, self._timestamp))
        except av.FFmpegError:
            return "keyframe"
        return [(frame.width, frame.height) for frame in frames]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_legal_frames_come_out(codec):
    world = World(codec)
    assert [world.decode(data) for data in encoded_clip(codec)] == [[(320, 240)]] * 4
    assert (world.ledger.refused, world.ledger.damaged, world.ledger.dropped) == (0, 0, 0)


def test_a_bomb_costs_nothing():
    process = psutil.Process()
    world = World("VP8")
    key = encoded_clip("VP8", width=1280, height=720, frames=1)[0]
    assert len(key) > 100_000
    bomb = vp8_bomb(key)
    assert world.decode(key) == [(1280, 720)]
    before, started = process.memory_info().rss, time.thread_time()
    for _ in range(100):
        world.decode(bomb)
    assert time.thread_time() - started < 0.1
    assert process.memory_info().rss - before < 5_000_000
    assert world.ledger.refused == 100


def test_legal_frames_after_a_bomb_still_decode():
    world = World("VP8")
    key, delta = encoded_clip("VP8", frames=2)
    assert world.decode(key) == [(320, 240)]
    assert world.decode(vp8_bomb(key)) == "keyframe"
    assert world.ledger.refusing
    assert world.decode(delta) == [], "its base was never decoded"
    assert world.decode(key) == [(320, 240)]
    assert world.decode(delta) == [(320, 240)]
    assert not world.ledger.refusing


def test_the_stream_is_told_once_a_spell(caplog):
    world = World("VP8")
    key = encoded_clip("VP8", frames=1)[0]
    for data in [vp8_bomb(key)] * 3 + [key] + [vp8_bomb(key)] * 3:
        world.decode(data)
    assert world.told == 2
    assert sum("Refused a frame" in record.message for record in caplog.records) == 1


def test_a_frame_may_be_turned():
    world = World("VP8", FrameLimits(320, 240))
    turned = encoded_clip("VP8", width=240, height=320, frames=1)[0]
    too_high = encoded_clip("VP8", width=320, height=320, frames=1)[0]
    assert world.decode(turned) == [(240, 320)]
    world.decode(too_high)
    assert world.ledger.refused == 1


@pytest.mark.parametrize("size", [(1922, 1080), (1920, 1098), (2560, 320)])
def test_h264_above_the_limit_is_refused(size):
    world = World("H264")
    width, height = size
    for data in encoded_clip("H264", width=width, height=height):
        world.decode(data)
    assert world.ledger.refused == 1
    assert world.ledger.refusing
    assert world.decode(encoded_clip("H264")[0]) == [(320, 240)]


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)])
@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_the_limit_itself_is_legal(codec, size):
    width, height = size
    data = encoded_clip(codec, width=width, height=height, frames=1)[0]
    assert World(codec).decode(data) == [size]


def test_the_codecs_own_limit_stands_behind_the_guard():
    """`max_pixels` holds by itself for H.264, should a size ever slip past the header."""
    world = World("H264", FrameLimits(320, 240))
    inner = world.decoder._inner
    assert isinstance(inner, H264Decoder)
    large = encoded_clip("H264", width=640, height=480, frames=1)[0]
    with pytest.raises(av.FFmpegError):
        inner.decode(JitterFrame(large, 0))


def test_one_thread_a_stream():
    assert World("VP8").decoder._inner.codec.thread_count == 1


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_loss_waits_for_a_keyframe(codec):
    world = World(codec)
    key, delta, *_ = encoded_clip(codec)
    world.decode(key)
    with pytest.raises(av.FFmpegError):
        world.decoder.decode(Resync())
    assert world.decode(delta) == []
    assert world.ledger.skipped == 1
    assert world.decode(key) == [(320, 240)]


def test_keyframes_are_asked_for_once_a_second(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("apps.streaming.decoder.time.monotonic", lambda: clock[0])
    world = World("VP8")
    delta = encoded_clip("VP8", frames=2)[1]
    assert [world.decode(delta) for _ in range(5)] == ["keyframe", [], [], [], []]
    clock[0] += 1.1
    assert world.decode(delta) == "keyframe"


def test_padding_is_nothing():
    world = World("VP8")
    assert world.decode(b"") == []
    assert world.ledger.damaged == 0


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_damaged_frames_ask_for_a_keyframe_and_end_nothing(codec):
    world = World(codec)
    clip = encoded_clip(codec)
    world.decode(clip[0])
    for length in (1, 3, 9, 11, 30):
        outcome = world.decode(clip[0][:length])
        assert outcome in ("keyframe", [], [(320, 240)])
    assert world.decode(clip[0]) == [(320, 240)]


def test_no_exception_leaves_the_decoder_but_ffmpegs(monkeypatch):
    world = World("VP8")
    key = encoded_clip("VP8", frames=1)[0]

    class Broken:
        def decode(self, frame: JitterFrame) -> list[object]:
            raise MemoryError

    monkeypatch.setattr(world.decoder, "_inner", Broken())
    assert world.decode(key) == "keyframe"
    assert world.ledger.damaged == 1


def test_every_video_decoder_of_the_process_is_guarded():
    install(FrameLimits(64, 64))
    factory = aiortc.rtcrtpreceiver.get_decoder
    for codec in CODECS["video"]:
        if codec.name != "rtx":
            assert isinstance(factory(codec), GuardedDecoder)
    assert not isinstance(factory(CODECS["audio"][0]), GuardedDecoder)


def test_a_streams_own_limits_win():
    install(FrameLimits(64, 64))
    ledger = StreamLedger()
    codec = LedgerCodec(mimeType="video/VP8", clockRate=90_000, payloadType=97)
    codec.limits, codec.ledger = LIMITS, ledger
    decoder = aiortc.rtcrtpreceiver.get_decoder(codec)
    assert decoder.decode(JitterFrame(encoded_clip("VP8", frames=1)[0], 0))
    assert ledger.refused == 0


@pytest.mark.parametrize(("width", "height"), [(0, 1080), (1920, -1)])
def test_limits_have_content(width, height):
    with pytest.raises(ValueError, match="at least one pixel"):
        FrameLimits(width, height)
