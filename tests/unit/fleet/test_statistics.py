"""Counts by the minute.

Guards against: percentiles far off the true ones, one process's count replacing another's, the
memory of a count growing with what is asked.
"""

import random

import pytest

from apps.fleet.statistics import Minute, Statistics, bucket_of, percentile, together


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_percentile_is_within_five_percent(share: float):
    dice = random.Random(1)
    durations = sorted(dice.lognormvariate(-1.5, 0.8) for _ in range(5000))
    buckets: dict[int, int] = {}
    for duration in durations:
        buckets[bucket_of(duration)] = buckets.get(bucket_of(duration), 0) + 1
    true = durations[int(len(durations) * share)]
    found = percentile(buckets, share)
    assert found == pytest.approx(true, rel=0.06)


def test_of_nothing_there_is_no_percentile():
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-6, 3600.0])
def test_any_duration_has_a_bucket(seconds: float):
    assert bucket_of(seconds) >= 0


async def test_answers_and_errors_of_all_processes_add_up(redis):
    for statistics in (Statistics(redis), Statistics(redis)):
        await statistics.answered(first=0.2, whole=0.9)
        await statistics.failed("busy", session_id="one")
    await Statistics(redis).failed("model_timeout", session_id="one")
    minute = together(await Statistics(redis).minutes(last=2))
    assert minute.answers == 2
    assert minute.errors == {"busy": 2, "model_timeout": 1}
    assert percentile(minute.first, 0.5) == pytest.approx(0.2, rel=0.05)
    assert percentile(minute.whole, 0.5) == pytest.approx(0.9, rel=0.05)


async def test_streams_are_counted_once_a_process(redis):
    statistics = Statistics(redis)
    await statistics.streams("a:1", 3)
    await statistics.streams("a:1", 4)
    await statistics.streams("b:1", 2)
    assert sum(minute.streams for minute in await statistics.minutes(last=2)) == 6


async def test_a_session_keeps_the_code_of_its_last_error(redis):
    statistics = Statistics(redis)
    await statistics.failed("busy", session_id="one")
    await statistics.failed("no_frame", session_id="one")
    assert await statistics.last_errors(["one", "two"]) == {"one": "no_frame"}
    assert await statistics.last_errors([]) == {}


async def test_counts_go_after_an_hour(redis):
    await Statistics(redis).answered(first=0.2, whole=0.9)
    (key,) = await redis.keys("figures:*")
    assert 3600 < await redis.ttl(key) <= 3720


def test_an_empty_minute_is_zero():
    assert Minute.of(60, {}) == Minute(at=60)
