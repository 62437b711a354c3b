"""Decoders that check a frame's declared size before they decode it.

A compressed frame of some 100 kB may declare 16383x16383 pixels: decoding it costs a second and
a gigabyte. So the declared size is read from the first bytes, and a frame above the limit never
reaches the codec. Behind that stand `max_pixels`, which FFmpeg's H.264 decoder heeds before it
allocates (libvpx only afterwards), and a check of what comes out.
"""

import logging
import time
from typing import Final, cast

import aiortc.rtcrtpreceiver
import av
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.codecs.h264 import H264Decoder
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.error import InvalidDataError
from av.frame import Frame

from apps.streaming.bitstream import FrameHeader, MalformedFrame, inspect
from apps.streaming.ledger import StreamLedger
from apps.streaming.limits import FrameLimits

KEYFRAME_REQUEST_INTERVAL: Final = 1.0
"""Seconds between two requests for a keyframe while waiting for one."""

_ERRNO_INVALID_DATA: Final = InvalidDataError(0, "").errno or 0


class Resync(JitterFrame):
    """Stands in the decoder's queue for frames that were lost before it."""

    def __init__(self) -> None:
        """Carry no data."""
        super().__init__(data=b"", timestamp=0)


class LedgerCodec(RTCRtpCodecParameters):
    """A negotiated codec that knows the limits and the ledger of its stream."""

    ledger: StreamLedger
    limits: FrameLimits


class GuardedDecoder(Decoder):
    """Decodes one stream; runs in the stream's decoder thread.

    After a refused or lost frame it waits for the next frame that can stand alone, so no picture
    is built on a base that was never decoded. Raising `av.FFmpegError` makes aiortc ask the
    sender for a keyframe.
    """

    def __init__(self, codec: str, *, limits: FrameLimits, ledger: StreamLedger) -> None:
        """Prepare the decoder of `codec`, "VP8" or "H264"."""
        self._name = codec
        self._limits = limits
        self._ledger = ledger
        self._waiting_for: str | None = "keyframe"
        self._asked_at = float("-inf")
        self._inner = _limited_decoder(codec, limits)

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Return the pictures in `encoded_frame`: none when it is refused or skipped."""
        if isinstance(encoded_frame, Resync):
            self._wait_for("keyframe")
            return self._ask_for_keyframe()
        if not encoded_frame.data:
            return []  # Padding: a frame's timestamp without a frame.
        header = self._inspect(encoded_frame)
        if not self._admit(header):
            return self._ask_for_keyframe()
        return [frame for frame in self._decode(encoded_frame) if self._is_allowed(frame)]

    def _inspect(self, encoded_frame: JitterFrame) -> FrameHeader:
        try:
            return inspect(self._name, encoded_frame.data)
        except MalformedFrame as error:
            self._ledger.damage()
            raise InvalidDataError(_ERRNO_INVALID_DATA, str(error)) from error

    def _admit(self, header: FrameHeader) -> bool:
        oversized = [size for size in header.sizes if not self._limits.allow_coded(*size)]
        if oversized:
            self._refuse(*oversized[0])
            return False
        if header.sizes:
            self._ledger.admit()
        # An H.264 keyframe may rely on an earlier parameter set: on a refused one it must not.
        if header.sizes or (header.keyframe and self._waiting_for == "keyframe"):
            self._waiting_for = None
        if self._waiting_for:
            self._ledger.skip()
            return False
        return True

    def _refuse(self, width: int, height: int) -> None:
        self._ledger.refuse(width, height)
        self._wait_for("size")

    def _wait_for(self, what: str) -> None:
        if self._waiting_for != "size":
            self._waiting_for = what

    def _ask_for_keyframe(self) -> list[Frame]:
        now = time.monotonic()
        if now - self._asked_at < KEYFRAME_REQUEST_INTERVAL:
            return []
        self._asked_at = now
        raise InvalidDataError(_ERRNO_INVALID_DATA, "A keyframe is needed.")

    def _decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        try:
            return self._inner.decode(encoded_frame)
        except av.FFmpegError:
            self._ledger.damage()
            raise
        except Exception as error:
            # Anything else would end the decoder thread and freeze the stream for good.
            self._ledger.damage()
            raise InvalidDataError(_ERRNO_INVALID_DATA, repr(error)) from error

    def _is_allowed(self, frame: Frame) -> bool:
        picture = cast(av.VideoFrame, frame)
        if self._limits.allow(picture.width, picture.height):
            return True
        self._refuse(picture.width, picture.height)
        return False


def _limited_decoder(codec: str, limits: FrameLimits) -> Decoder:
    decoder: Vp8Decoder | H264Decoder = Vp8Decoder() if codec == "VP8" else H264Decoder()
    decoder.codec.options = {"max_pixels": str(limits.max_pixels)}
    # One thread a stream: FFmpeg's default is one a core, and frame threads delay the picture.
    decoder.codec.thread_count = 1
    return decoder


def install(limits: FrameLimits) -> None:
    """Make every video decoder of this process a guarded one, `limits` where none are set.

    aiortc looks its decoder factory up by this name for every stream.
    """

    def guarded(codec: RTCRtpCodecParameters) -> Decoder:
        if codec.name not in ("VP8", "H264"):
            return get_decoder(codec)
        if isinstance(codec, LedgerCodec):
            return GuardedDecoder(codec.name, limits=codec.limits, ledger=codec.ledger)
        return GuardedDecoder(codec.name, limits=limits, ledger=StreamLedger())

    aiortc.rtcrtpreceiver.get_decoder = guarded  # type: ignore[attr-defined]
    # It warns for every frame that fails, which a sender can have at will; we count instead.
    logging.getLogger(aiortc.rtcrtpreceiver.__name__).setLevel(logging.ERROR)
