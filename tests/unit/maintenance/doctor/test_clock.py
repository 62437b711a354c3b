"""Clocks: only what can't be explained by the time an answer takes is skew."""

import pytest

from apps.maintenance.doctor.clock import http_date_range, judge_clock, skew


@pytest.mark.parametrize(
    ("earliest", "latest", "ahead"),
    [
        (100.5, 100.5, 0),  # within the time the answer took
        (99.0, 100.0, 0),  # a whole second, as HTTP tells it
        (90.0, 91.0, 9.0),
        (111.0, 112.0, -10.0),
    ],
)
def test_skew(earliest, latest, ahead):
    assert skew(before=100, after=101, earliest=earliest, latest=latest) == ahead


@pytest.mark.parametrize(
    ("ahead", "status"), [(0, "ok"), (2, "ok"), (-2, "ok"), (2.1, "warning"), (-2.1, "warning")]
)
def test_two_seconds_are_borne(ahead, status):
    assert judge_clock(ahead, of="the other").status == status


def test_which_way_it_is_wrong():
    assert judge_clock(5, of="Redis's clock").found == "5.0 s ahead of Redis's clock"
    assert judge_clock(-5, of="Redis's clock").found == "5.0 s behind Redis's clock"


def test_a_date_of_http_is_a_whole_second():
    assert http_date_range("Thu, 01 Jan 1970 00:01:00 GMT") == (60, 61)
    with pytest.raises(ValueError):
        http_date_range("yesterday")
