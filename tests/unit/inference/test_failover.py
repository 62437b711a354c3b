"""An answer that another server goes on with: nothing twice, and never half of each."""

import pytest

from apps.contract import Refusal
from apps.inference.completion import Delta, Usage
from apps.inference.failover import ResumedAnswer

USAGE = Usage(1, 2, "stop")


def told(answer: ResumedAnswer, *texts: str) -> list[str]:
    """What is new of these texts, as one server sends them."""
    answer.begin()
    parts = [answer.new(Delta(text)) for text in texts]
    return [part.text for part in parts if isinstance(part, Delta)]


def test_the_first_servers_answer_is_all_new():
    answer = ResumedAnswer()
    assert told(answer, "Hel", "lo") == ["Hel", "lo"]
    assert answer.new(USAGE) == USAGE


@pytest.mark.parametrize("again", [["Hel", "lo", "!"], ["Hello!"], ["H", "ello", "!"]])
def test_a_further_server_repeats_first_however_it_cuts(again):
    answer = ResumedAnswer()
    told(answer, "Hello")
    assert told(answer, *again) == ["!"]
    assert answer.new(USAGE) == USAGE
    assert told(answer, "Hello! Bye") == [" Bye"]  # And a third repeats what both said.


@pytest.mark.parametrize("part", [Delta("Goodbye"), Delta("Hell!"), USAGE])
def test_another_answer_is_an_error(part):
    answer = ResumedAnswer()
    told(answer, "Hello")
    answer.begin()
    with pytest.raises(Refusal) as error:
        answer.new(part)
    assert error.value.code == "model_unavailable"
