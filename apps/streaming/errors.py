"""The errors between a camera and a frame: one family.

Each carries the `code` of the public contract and a `detail`, one sentence for the user.
"""

from typing import ClassVar


class StreamError(Exception):
    """Base of the family; never raised itself."""

    code: str = "stream_failed"

    def __init__(self, detail: str) -> None:
        """Keep `detail`."""
        super().__init__(detail)
        self.detail = detail


class OfferRefused(StreamError):
    """The offer is not answered; the code says why."""

    CODES: ClassVar = frozenset(
        {
            "offer_invalid",
            "offer_too_large",
            "audio_refused",
            "data_channel_refused",
            "video_missing",
            "too_many_tracks",
            "codec_unsupported",
            "stream_failed",
        }
    )

    def __init__(self, code: str, detail: str) -> None:
        """Keep `code`, one of `CODES`, and `detail`."""
        if code not in self.CODES:
            raise ValueError(f"{code} is not a reason to refuse an offer.")
        super().__init__(detail)
        self.code = code


class CaptureFailed(StreamError):
    """No frame could be taken from a stream."""


class NoStream(CaptureFailed):
    """There is no peer connection, or it closed while we waited."""

    code = "no_stream"


class NoFrame(CaptureFailed):
    """The camera is connecting and has sent no frame yet."""

    code = "no_frame"


class StreamStalled(CaptureFailed):
    """The camera has sent frames before and sends none now."""

    code = "stream_stalled"


class FrameTooLarge(CaptureFailed):
    """The camera sends only frames above the size limit."""

    code = "frame_too_large"
