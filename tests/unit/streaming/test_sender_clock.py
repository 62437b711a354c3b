"""When frames were captured, from scripted sender reports; no network and no real time.

Guards: encoding and waiting on the way count as age; clocks that differ by hours, or are set, do no
harm; without a report, or with another stream's, the arrival counts; no frame is ever said to be
younger than its arrival makes it.
"""

import random

import pytest
from aiortc.clock import datetime_to_ntp
from aiortc.rtp import RtcpPacket, RtcpSenderInfo, RtcpSrPacket

from apps.streaming.sender_clock import CLOCK_RATE, SenderClock, seconds_of_ntp

NOW = 1_800_000_000.0
SSRC = 77


class Sender:
    """A sender whose clock is off by `offset` s; the way to us takes `way` s at least."""

    def __init__(
        self, *, offset: float = 0.0, way: float = 0.02, origin: int = 4_294_900_000
    ) -> None:
        self.offset, self.way, self.origin = offset, way, origin

    def rtp(self, captured: float) -> int:
        return int(self.origin + (captured - NOW) * CLOCK_RATE) % 2**32

    def report(self, clock: SenderClock, *, at: float, delay: float = 0.0, ssrc: int = SSRC):
        """Send a report at `at` through the very bytes of RTCP."""
        ntp = round((at + self.offset + 2_208_988_800) * 2**32)
        info = RtcpSenderInfo(ntp, self.rtp(at), packet_count=1, octet_count=1)
        (packet,) = RtcpPacket.parse(bytes(RtcpSrPacket(ssrc=ssrc, sender_info=info)))
        clock.report(
            ssrc=packet.ssrc,
            ntp=packet.sender_info.ntp_timestamp,
            timestamp=packet.sender_info.rtp_timestamp,
            arrived_at=at + self.way + delay,
        )

    def frame(self, clock: SenderClock, *, captured: float, delay: float) -> float:
        """Send a frame; return when it is said to have been captured."""
        return clock.captured_at(
            ssrc=SSRC, timestamp=self.rtp(captured), arrived_at=captured + self.way + delay
        )


def test_ntp_is_read_as_seconds():
    from datetime import UTC, datetime

    moment = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
    assert seconds_of_ntp(datetime_to_ntp(moment)) == pytest.approx(moment.timestamp(), abs=1e-5)


def test_without_a_report_the_arrival_counts():
    clock, sender = SenderClock(), Sender()
    clock.round_trip(0.04, at=NOW)
    assert sender.frame(clock, captured=NOW, delay=0.1) == NOW + 0.12


@pytest.mark.parametrize("offset", [0.0, 3.7, -3.7, 7200.0, -86_400.0])
def test_the_age_is_true_whatever_the_senders_clock_says(offset: float):
    clock, sender = SenderClock(), Sender(offset=offset)
    sender.report(clock, at=NOW)
    clock.round_trip(0.04, at=NOW)
    for delay in (0.0, 0.03, 0.4):
        captured = NOW + 1 + delay
        assert sender.frame(clock, captured=captured, delay=delay) == pytest.approx(
            captured, abs=1e-3
        )


def test_without_a_round_trip_the_fastest_way_is_all_that_is_missing():
    clock, sender = SenderClock(), Sender(way=0.05)
    sender.report(clock, at=NOW)
    assert sender.frame(clock, captured=NOW + 1, delay=0.2) == pytest.approx(NOW + 1.05, abs=1e-3)


def test_a_late_report_is_outdone_by_later_ones():
    clock, sender = SenderClock(), Sender()
    sender.report(clock, at=NOW, delay=0.3)
    late = sender.frame(clock, captured=NOW + 1, delay=0.1)
    assert late == pytest.approx(NOW + 1.12, abs=1e-3), "the fastest seen so far is this frame"
    sender.report(clock, at=NOW + 1.5)
    assert sender.frame(clock, captured=NOW + 2, delay=0.1) == pytest.approx(NOW + 2.02, abs=1e-3)


def test_a_timestamp_before_the_report_and_one_that_wraps_are_understood():
    clock, sender = SenderClock(), Sender(origin=2**32 - 45_000)
    sender.report(clock, at=NOW)
    clock.round_trip(0.04, at=NOW)
    for captured in (NOW - 0.2, NOW + 0.2, NOW + 1.0):
        assert sender.frame(clock, captured=captured, delay=0.3) == pytest.approx(
            captured, abs=1e-3
        )


def test_another_streams_report_is_no_report():
    clock, sender = SenderClock(), Sender()
    sender.report(clock, at=NOW, ssrc=78)
    assert sender.frame(clock, captured=NOW + 1, delay=0.5) == NOW + 1.52


@pytest.mark.parametrize(("delay", "believed"), [(9.9, True), (10.1, False)])
def test_a_frame_that_took_longer_than_any_way_is_as_old_as_its_arrival(
    delay: float, believed: bool
):
    clock, sender = SenderClock(), Sender(way=0.0)
    sender.report(clock, at=NOW)
    captured = sender.frame(clock, captured=NOW + 1, delay=delay)
    assert captured == pytest.approx(NOW + 1 + (0 if believed else delay), abs=1e-3)


@pytest.mark.parametrize("step", [3600.0, 3.0, -3.0, -3600.0])
def test_a_clock_that_is_set_is_left_behind(step: float):
    clock, sender = SenderClock(), Sender()
    sender.report(clock, at=NOW)
    sender.offset = step
    sender.report(clock, at=NOW + 1)
    assert sender.frame(clock, captured=NOW + 2, delay=0.1) == pytest.approx(NOW + 2.02, abs=1e-3)


@pytest.mark.parametrize("seconds", [-0.1, 2.5, float("nan"), float("inf")])
def test_a_round_trip_that_can_not_be_is_left_aside(seconds: float):
    clock, sender = SenderClock(), Sender()
    sender.report(clock, at=NOW)
    clock.round_trip(seconds, at=NOW)
    assert sender.frame(clock, captured=NOW + 1, delay=0.1) == pytest.approx(NOW + 1.02, abs=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_no_frame_is_ever_younger_than_its_arrival_makes_it(seed: int):
    dice = random.Random(seed)
    clock, sender = SenderClock(), Sender(offset=dice.uniform(-9, 9))
    for second in range(200):
        at = NOW + second
        if dice.random() < 0.3:
            sender.report(clock, at=at, delay=dice.expovariate(20))
        if dice.random() < 0.2:
            clock.round_trip(dice.uniform(0, 0.1), at=at)
        if dice.random() < 0.02:
            sender.offset += dice.uniform(-30, 30)
        delay = dice.expovariate(10)
        captured = sender.frame(clock, captured=at + 0.5, delay=delay)
        assert at + 0.5 + sender.way + delay - 10.0 <= captured <= at + 0.5 + sender.way + delay
