"""A decoder that is shut until a frame is wanted: the way of releasing frames that we did not take.

While it is shut nothing is decoded, which saves that work; what comes later cannot be decoded
without it, so a wish begins with a request for a keyframe, and waits for that.
"""

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

from apps.streaming import decoder, receiving
from apps.streaming.decoder import Resync
from apps.streaming.receiving import DecoderInbox, Parcel


class GatedInbox(DecoderInbox):
    """Lets frames through to the decoder only while it is open."""

    is_open = True
    _last: Parcel | None = None

    def put(self, parcel: Parcel | None) -> None:
        """Take a frame, or drop it."""
        if parcel is not None:
            self._last = parcel
            if not self.is_open:
                return
        super().put(parcel)

    def open(self) -> None:
        """Have a keyframe asked for, and decode from there on."""
        if self._last is not None and not self.is_open:
            codec, _ = self._last
            with self._changed:
                self._parcels.append((codec, Resync()))
                self._changed.notify()
        self.is_open = True

    def shut(self) -> None:
        """Decode nothing from now on."""
        self.is_open = False


@contextlib.contextmanager
def gated_decoder() -> Iterator[None]:
    """Give streams that begin now such an inbox; they ask for keyframes as often as they like."""
    with (
        patch.object(receiving, "DecoderInbox", GatedInbox),
        patch.object(decoder, "KEYFRAME_REQUEST_INTERVAL", 0.0),
    ):
        yield
