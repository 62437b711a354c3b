"""An event is a hint: one that can't be sent is counted, and costs nothing else."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from apps.chat.events import Events


class Layer:
    """A channel layer over a Redis that is away."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        raise self._error


def lost() -> float:
    return REGISTRY.get_sample_value("qwencam_events_lost_total") or 0.0


@pytest.mark.parametrize(
    "error", [RedisConnectionError(), ResponseError("NOREPLICAS"), BrokenPipeError()], ids=repr
)
async def test_an_event_that_cannot_be_sent_is_counted(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    events, before = Events(Layer(error)), lost()  # type: ignore[arg-type]
    await events.answer_batch("s", "q", seq=1, text="what the model said")
    await events.session_ended("s", "user", note="a note")
    assert lost() == before + 3  # An end is told to two groups.
    assert "what the model said" not in caplog.text


async def test_a_mistake_of_ours_is_raised():
    with pytest.raises(KeyError):
        await Events(Layer(KeyError("type"))).answer_finished("s", "q")  # type: ignore[arg-type]
