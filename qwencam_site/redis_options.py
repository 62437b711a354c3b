"""How every connection to Redis behaves when Redis restarts, fails over or cuts idle connections.

redis-py retries nothing on a connection of a pool that somebody else made, as Django's cache and
the channel layer do, unless it is asked to: the first command after a cut would be an error.
"""

from typing import Any, Final

from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0
RETRIES: Final = 3
"""Tries again after 0.05, 0.1 and 0.2 s: a cut connection is replaced at the first of them, and a
Redis that restarts on the same host is often back within all three."""

_RETRY_ON: Final = (RedisConnectionError, RedisTimeoutError)


def for_threads() -> dict[str, Any]:
    """Return the arguments of a connection pool that threads use."""
    return _options(Retry(_backoff(), RETRIES))


def for_event_loops() -> dict[str, Any]:
    """Return the arguments of a connection pool that coroutines use."""
    return _options(AsyncRetry(_backoff(), RETRIES))


def _backoff() -> ExponentialBackoff:
    return ExponentialBackoff(cap=0.2, base=0.05)


def _options(retry: Retry | AsyncRetry) -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "retry": retry,
        "retry_on_error": list(_RETRY_ON),
    }
