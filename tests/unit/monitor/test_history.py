"""What is kept: a window for percentiles and rates, series for sparklines, both bounded."""

import json

import pytest

from deploy.monitor.history import KEPT_POINTS, WINDOW_SECONDS, History
from tests.unit.monitor.pages import absence, reading


def test_rates_and_errors_are_those_of_the_window():
    history = History("http://x")
    first = history.add(reading(0, questions=100, busy=7))
    assert first.window_seconds is None
    assert first.platform.questions_per_minute is None
    assert first.errors["busy"].lately == 7
    shown = history.add(reading(30, questions=110, busy=9, frames=60))
    assert shown.window_seconds == 30
    assert shown.platform.questions_per_minute == pytest.approx(20)
    assert shown.platform.frames_per_second == pytest.approx(2)
    assert (shown.errors["busy"].lately, shown.errors["busy"].in_all) == (2, 9)
    assert shown.errors["HTTP 500"].lately == 0
    assert set(shown.errors) == {"busy", "HTTP 500"}
    assert shown.latencies["first token"].count == 10


def test_the_window_is_bounded_and_frames_are_those_of_the_last_look():
    history = History("http://x")
    for second in range(0, 200, 2):
        shown = history.add(reading(second, questions=second, frames=30 * second))
    assert shown.window_seconds == WINDOW_SECONDS
    assert shown.latencies["first token"].count == WINDOW_SECONDS
    assert shown.platform.frames_per_second == pytest.approx(30)


def test_model_servers_with_what_vllm_says_and_without():
    history = History("http://x")
    history.add(reading(0, questions=0))
    servers = history.add(reading(10, questions=5)).model_servers
    told, untold = servers["gpu-1:8100"], servers["gpu-2:8100"]
    assert (told.up, told.answers, told.running, told.waiting) == (True, 2, 2, 1)
    assert told.kv_cache == 0.75
    assert told.tokens_per_second == pytest.approx(10)
    assert (untold.up, untold.running) == (False, None)


def test_a_server_away_leaves_gaps_and_its_last_numbers():
    history = History("http://x")
    history.add(reading(0, questions=1))
    history.add(reading(2, questions=2))
    for second in (4, 6):
        shown = history.add(absence(second))
    assert shown.platform is None
    assert history.away_since == 1_800_000_004
    assert history.last_full.platform.sessions == 3
    back = history.add(reading(8, questions=3))
    assert history.away_since is None
    assert back.window_seconds == 8
    assert history.series("sessions") == [3, 3, None, None, 3]
    assert history.series("gpu 0") == [0.5] * 5


def test_series_are_bounded_and_begin_when_they_are_first_known():
    history = History("http://x")
    history.add(absence(0))
    history.add(reading(1))
    assert history.series("sessions") == [None, 3]
    for second in range(2, 2 * KEPT_POINTS):
        history.add(reading(second))
    assert history.series("sessions") == [3] * KEPT_POINTS
    assert history.series("unknown") == []


def test_json_says_null_where_nobody_knows():
    content = History("http://x").add(absence(0)).as_json()
    assert content["time"] == "2027-01-15T08:00:00+00:00"
    assert json.loads(json.dumps(content))["platform"] is None
