"""Live mode's frame policy: one in flight, one waiting, newest wins, paced."""

import itertools
import random

import pytest

from apps.streaming.sampling import FrameSampler


def test_newest_wins():
    sampler: FrameSampler[str] = FrameSampler(interval=0.5)
    assert sampler.offer("old") is None
    assert sampler.offer("new") == "old"
    assert sampler.start(0.0) == "new"
    assert sampler.dropped == 1


def test_one_in_flight_and_one_waiting():
    sampler: FrameSampler[int] = FrameSampler(interval=0.5)
    sampler.offer(1)
    assert sampler.start(0.0) == 1
    sampler.offer(2)
    assert sampler.start(10.0) is None
    sampler.finish()
    assert sampler.start(10.0) == 2


def test_starts_keep_their_pace():
    sampler: FrameSampler[int] = FrameSampler(interval=0.5)
    sampler.offer(1)
    sampler.start(1.0)
    sampler.finish()
    sampler.offer(2)
    assert sampler.delay(1.2) == pytest.approx(0.3)
    assert sampler.start(1.2) is None
    assert sampler.start(1.5) == 2


def test_the_pace_may_change():
    sampler: FrameSampler[int] = FrameSampler(interval=10)
    sampler.offer(1)
    sampler.start(0.0)
    sampler.finish()
    sampler.offer(2)
    sampler.pace(interval=0.5)
    assert sampler.start(0.6) == 2


def test_nothing_in_flight_cannot_finish():
    with pytest.raises(RuntimeError):
        FrameSampler(interval=1).finish()


@pytest.mark.parametrize("interval", [0, -1])
def test_the_interval_is_positive(interval):
    with pytest.raises(ValueError, match="positive"):
        FrameSampler(interval=interval)
    with pytest.raises(ValueError, match="positive"):
        FrameSampler(interval=1).pace(interval=interval)


def test_any_order_of_calls_keeps_the_bounds():
    dice = random.Random(2)
    sampler: FrameSampler[int] = FrameSampler(interval=0.5)
    now, started, flying = 0.0, [], False
    for number in range(5_000):
        now += dice.random() / 5
        sampler.offer(number)
        if flying and dice.random() < 0.3:
            sampler.finish()
            flying = False
        item = sampler.start(now)
        if item is not None:
            assert not flying and item == number
            started.append(now)
            flying = True
    assert min(b - a for a, b in itertools.pairwise(started)) >= 0.5
