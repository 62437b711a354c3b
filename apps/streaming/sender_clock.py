"""Estimates when a frame was captured, in our clock, from the sender's clock.

A sender report (RFC 3550 section 6.4.1) pairs a moment N of the sender's clock with an RTP
timestamp R, so a frame of timestamp r was captured at S = N + (r - R) / 90000 by that clock. The
offset between the clocks is not known, but nothing arrives before it was sent: the smallest
difference between arrival and sender's time, over the reports and frames of the last minute, is the
offset plus the least one-way delay. Half of the shortest round trip is taken for that delay:

    captured = S + min(arrival - sender's time) - min(round trip) / 2

Without a measured round trip the delay counts as 0; without a report a frame counts as captured
when it arrived, and never later. Not included is what comes before the timestamp (the camera's
exposure) and, for a sender that reports the time of its last packet rather than now, its fastest
encoding.
"""

from dataclasses import dataclass
from typing import Final

CLOCK_RATE: Final = 90_000
"""RTP ticks a second of every video codec (RFC 7741, RFC 6184)."""

MAX_TRANSIT_SECONDS: Final = 10.0
"""A longer delay is taken for a clock that was set."""

MAX_ROUND_TRIP_SECONDS: Final = 2.0

_CLOCK_STEP_SECONDS: Final = 0.25
"""Reports that differ by more from the stream's own pace show a clock that was set."""

_WINDOW_SECONDS: Final = 30.0
_NTP_EPOCH: Final = 2_208_988_800
_NTP_FRACTION: Final = 1 << 32
_HALF_RANGE: Final = 1 << 31


def seconds_of_ntp(timestamp: int) -> float:
    """Return a 64-bit NTP timestamp as seconds since 1970 (RFC 5905 section 6)."""
    return timestamp / _NTP_FRACTION - _NTP_EPOCH


@dataclass(frozen=True)
class _Report:
    ssrc: int
    sent_at: float
    timestamp: int

    def moment(self, timestamp: int) -> float:
        """Return the sender's clock at an RTP timestamp, earlier or later than the report's."""
        ticks = (timestamp - self.timestamp + _HALF_RANGE) % (2 * _HALF_RANGE) - _HALF_RANGE
        return self.sent_at + ticks / CLOCK_RATE

    def agrees(self, other: "_Report") -> bool:
        """Tell whether another report is of the same stream and of a clock that just went on."""
        step = self.moment(other.timestamp) - other.sent_at
        return self.ssrc == other.ssrc and abs(step) < _CLOCK_STEP_SECONDS


class _Smallest:
    """The smallest of the values of the last 30 to 60 seconds."""

    def __init__(self) -> None:
        self._began_at = 0.0
        self._former: float | None = None
        self._current: float | None = None

    def note(self, value: float, *, at: float) -> float:
        """Take a value seen `at`; return the smallest now."""
        if not 0 <= at - self._began_at < _WINDOW_SECONDS:
            self._began_at, self._former, self._current = at, self._current, None
        self._current = value if self._current is None else min(self._current, value)
        return self._current if self._former is None else min(self._current, self._former)

    @property
    def value(self) -> float | None:
        known = [value for value in (self._former, self._current) if value is not None]
        return min(known, default=None)


class SenderClock:
    """Maps one stream's RTP timestamps to our clock. All times are seconds since the epoch."""

    def __init__(self) -> None:
        """Start without a report: every frame counts as captured when it arrived."""
        self._report: _Report | None = None
        self._offset = _Smallest()
        self._round_trip = _Smallest()

    def report(self, *, ssrc: int, ntp: int, timestamp: int, arrived_at: float) -> None:
        """Take a sender report: `ntp` as 64-bit NTP, `timestamp` in RTP ticks."""
        report = _Report(ssrc=ssrc, sent_at=seconds_of_ntp(ntp), timestamp=timestamp)
        if self._report is None or not self._report.agrees(report):
            self._offset = _Smallest()
        self._report = report
        self._offset.note(arrived_at - report.sent_at, at=arrived_at)

    def round_trip(self, seconds: float, *, at: float) -> None:
        """Take a measured round trip to the sender; an implausible one is ignored."""
        if 0 <= seconds <= MAX_ROUND_TRIP_SECONDS:
            self._round_trip.note(seconds, at=at)

    def captured_at(self, *, ssrc: int, timestamp: int, arrived_at: float) -> float:
        """Return when the frame of RTP `timestamp`, complete at `arrived_at`, was captured."""
        report = self._report
        if report is None or report.ssrc != ssrc:
            return arrived_at
        sent_at = report.moment(timestamp)
        offset = self._offset.note(arrived_at - sent_at, at=arrived_at)
        captured_at = sent_at + offset - (self._round_trip.value or 0.0) / 2
        plausible = 0 <= arrived_at - captured_at <= MAX_TRANSIT_SECONDS
        return captured_at if plausible else arrived_at
