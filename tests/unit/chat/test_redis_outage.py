"""What is tried again while Redis is away, and what is not."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.chat import redis_outage
from apps.chat.redis_outage import is_outage, retried

OUTAGES = [
    RedisConnectionError("Connection closed by server."),
    RedisTimeoutError("Timeout reading from socket"),
    ConnectionResetError(),
    ReadOnlyError("READONLY You can't write against a read only replica."),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    # Redis 6.2 within a script.
    ResponseError("Error running script (call to f_1): @user_script:3: -NOREPLICAS Not enough"),
]
OTHERS = [
    ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    DataError("Invalid input of type: 'NoneType'."),
    KeyError("state"),
]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_outage, "RETRY_SECONDS", 0.0)


class Call:
    """A call to Redis that fails in these ways first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"


@pytest.mark.parametrize("error", OUTAGES, ids=str)
async def test_an_outage_is_outlasted(error: Exception):
    assert is_outage(error)
    assert await retried(Call(error, error, error)) == "done"


@pytest.mark.parametrize("error", OTHERS, ids=str)
async def test_what_will_not_pass_is_raised_at_once(error: Exception):
    assert not is_outage(error)
    call = Call(error, error)
    with pytest.raises(type(error)):
        await retried(call)
    assert len(call.failures) == 1


async def test_an_outage_without_end_is_raised(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_outage, "OUTAGE_SECONDS", 0.0)
    with pytest.raises(RedisConnectionError):
        await retried(Call(*[RedisConnectionError() for _ in range(1000)]))
