"""What a user's preferences make of a request to the model."""

import pytest

from apps.accounts.models import AnswerLength
from apps.chat.preferences import AnswerPreferences, GenerationConfig, shaped

CONFIG = GenerationConfig(system_prompt="You see.", max_tokens=120, context_tokens=4096)


def test_without_a_wish_nothing_changes():
    assert shaped(CONFIG, AnswerPreferences()) == CONFIG


def test_a_language_is_asked_for_after_the_instructions():
    wished = shaped(CONFIG, AnswerPreferences(language="German"))
    assert wished.system_prompt == "You see. Answer in German."
    assert wished.max_tokens == 120


def test_short_and_long_are_told_and_bounded():
    short = shaped(CONFIG, AnswerPreferences(length="short", language="French"))
    assert short.system_prompt == "You see. Answer in one short sentence. Answer in French."
    assert short.max_tokens == 40
    long = shaped(CONFIG, AnswerPreferences(length="long"))
    assert long.system_prompt == "You see. Answer in detail, in several sentences."
    assert long.max_tokens == 240


@pytest.mark.parametrize(
    ("usual", "context", "short", "long"),
    [
        (30, 4096, 16, 60),
        (10, 4096, 10, 20),
        (200, 512, 66, 256),
        (400, 512, 133, 400),
    ],
)
def test_bounds(usual, context, short, long):
    config = GenerationConfig(system_prompt="", max_tokens=usual, context_tokens=context)
    assert shaped(config, AnswerPreferences(length="short")).max_tokens == short
    assert shaped(config, AnswerPreferences(length="long")).max_tokens == long


def test_every_length_is_known():
    configs = {shaped(CONFIG, AnswerPreferences(length=length)) for length in AnswerLength.values}
    assert len(configs) == len(AnswerLength)
