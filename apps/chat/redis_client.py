"""The one place that opens Redis connections for our own keys."""

import asyncio
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def open_redis() -> Redis:
    """Return a new client, bytes in and out; the caller closes it.

    A command is tried three times over 0.3 s, so that a connection that a Redis restart has
    broken is not an error.
    """
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=1.0,
        socket_timeout=3.0,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def async_redis() -> Redis:
    """Return this event loop's client, opened at first use and kept as long as the loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = open_redis()
    return _clients[loop]
