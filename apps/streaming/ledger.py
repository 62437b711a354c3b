"""One stream's counters, and when its frames were captured: written by its decoder's thread too."""

import logging
from collections.abc import Callable

from apps.streaming import metrics

logger = logging.getLogger(__name__)

_MAX_ARRIVALS = 512  # Far more than the frames that wait for the decoder at once.


class StreamLedger:
    """Counters of one stream, and when its frames were captured.

    The decoder thread writes `refused` and `damaged`, the event loop everything else, so no
    counter has two writers. `on_refused` is called in the decoder thread, for the first frame
    refused after a good one.
    """

    def __init__(self, on_refused: Callable[[], None] = lambda: None) -> None:
        """Start at zero."""
        self.refused = 0
        self.damaged = 0
        self.overrun = 0
        self.skipped = 0
        self._on_refused = on_refused
        self._refusing = False
        self._logged = False
        self._arrivals: dict[int, float] = {}

    @property
    def dropped(self) -> int:
        """Frames dropped undecoded."""
        return self.overrun + self.skipped

    @property
    def refusing(self) -> bool:
        """The newest frame that declared its size was above the limit."""
        return self._refusing

    def refuse(self, width: int, height: int) -> None:
        """Count a frame above the size limit; log the stream's first."""
        self.refused += 1
        metrics.FRAMES_REFUSED.inc()
        if not self._logged:
            self._logged = True
            logger.warning("Refused a frame of %dx%d pixels: above the limit.", width, height)
        if not self._refusing:
            self._refusing = True
            self._on_refused()

    def admit(self) -> None:
        """Note a frame that declared an allowed size."""
        self._refusing = False

    def damage(self) -> None:
        """Count a frame that could not be decoded."""
        self.damaged += 1
        metrics.FRAMES_DAMAGED.inc()

    def skip(self) -> None:
        """Count a frame dropped because what it builds on was never decoded."""
        self.skipped += 1
        metrics.FRAMES_DROPPED.inc()

    def overflow(self, count: int) -> None:
        """Count frames dropped because the decoder fell behind."""
        self.overrun += count
        metrics.FRAMES_DROPPED.inc(count)

    def arrive(self, timestamp: int, captured_at: float) -> None:
        """Note that a frame is complete, and when it was captured (seconds since epoch)."""
        if len(self._arrivals) >= _MAX_ARRIVALS:
            # Frames that were dropped are never claimed.
            self._arrivals.clear()
        self._arrivals[timestamp] = captured_at

    def claim_capture(self, timestamp: int | None) -> float | None:
        """Return when that frame was captured, or None when nobody noted it."""
        return self._arrivals.pop(timestamp, None) if timestamp is not None else None
