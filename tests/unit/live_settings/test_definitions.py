"""What values a live setting takes."""

import pytest

from apps.live_settings.definitions import DEFINITIONS, InvalidSetting, definition


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_sessions", False),
        ("notice", ""),
        ("notice", "Back at noon."),
        ("max_sessions", 1),
        ("frame_sample_rate", 2),
        ("frame_sample_rate", 0.5),
        ("system_prompt", "One line.\nAnother."),
    ],
)
def test_good_values_are_taken(name: str, value: object):
    assert DEFINITIONS[name].checked(value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_sessions", 1),
        ("accept_sessions", "true"),
        ("notice", None),
        ("notice", "x" * 301),
        ("notice", "bell\a"),
        ("notice", "lone \ud800 surrogate"),
        ("notice", "right to left \u202e"),
        ("max_sessions", 0),
        ("max_sessions", 2.5),
        ("max_sessions", True),
        ("max_sessions", "7"),
        ("frame_sample_rate", float("nan")),
        ("frame_sample_rate", float("inf")),
        ("frame_sample_rate", 0.01),
    ],
)
def test_others_are_refused_with_a_sentence_that_names_the_setting(name: str, value: object):
    with pytest.raises(InvalidSetting, match=DEFINITIONS[name].label):
        DEFINITIONS[name].checked(value)


def test_texts_lose_the_blanks_around_them():
    assert DEFINITIONS["notice"].checked("  Soon. \n") == "Soon."


def test_an_unknown_name_is_refused():
    with pytest.raises(InvalidSetting, match="no live setting"):
        definition("debug")
