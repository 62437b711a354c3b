"""Durations at the shell: a number and its unit, or a sentence."""

from datetime import timedelta

import pytest

from apps.maintenance.durations import (
    InvalidDuration,
    format_duration,
    parse_duration,
    parse_idle_seconds,
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        (" 1d ", timedelta(days=1)),
        ("36500d", timedelta(days=36_500)),
    ],
)
def test_a_number_and_a_unit(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "d",
        "1.5h",
        "-3d",
        "0d",
        "1w",
        "1 d",
        "1d12h",
        "36501d",
        "999999999d",
        "३d",
        "9" * 40,
    ],
)
def test_anything_else_is_refused_with_its_text(text):
    with pytest.raises(InvalidDuration) as refusal:
        parse_duration(text)
    assert repr(text) in str(refusal.value)


def test_idleness_may_be_plain_seconds():
    assert parse_idle_seconds("300") == timedelta(minutes=5)
    assert parse_idle_seconds("5m") == timedelta(minutes=5)
    with pytest.raises(InvalidDuration):
        parse_idle_seconds("0")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400 * 40, "40 d")],
)
def test_spoken_in_the_largest_unit(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text
