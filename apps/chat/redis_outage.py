"""What is tried again while Redis is away or refuses writes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

RETRY_SECONDS: Final = 0.5
OUTAGE_SECONDS: Final = 300.0
"""Longer than any question waits for its end, so that it is that end which stops the retries."""

_REFUSALS: Final = (
    "NOREPLICAS",  # fewer replicas than min-replicas-to-write
    "READONLY",  # a failover: this one is a replica now
    "MASTERDOWN",
    "MISCONF",  # a snapshot failed, where somebody switched persistence on
    "OOM",
    "LOADING",
    "BUSY",  # another client's script runs too long
)
"""Error codes of a Redis that will serve again; a script's error has them in its text."""


def is_outage(error: Exception) -> bool:
    """Return whether the same command may succeed later."""
    if isinstance(error, ResponseError):
        return any(code in str(error) for code in _REFUSALS)
    return isinstance(error, RedisConnectionError | RedisTimeoutError | OSError)


async def retried(call: Callable[[], Awaitable[Result]]) -> Result:
    """Return what an idempotent call to Redis gives, however long Redis is away.

    Raises whatever it raised last after `OUTAGE_SECONDS`, and at once what is no outage.
    """
    began = time.monotonic()
    while True:
        try:
            return await call()
        except Exception as error:
            if not is_outage(error) or time.monotonic() - began > OUTAGE_SECONDS:
                raise
            logger.warning("Redis is away, trying again: %s", type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)
