"""The one place that opens Redis connections for our own keys."""

import asyncio
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import BlockingConnectionPool, Redis

POOL_CONNECTIONS = 100
POOL_SECONDS = 3.0
"""A burst of commands beyond the pool waits for a connection: the pool's usual way is to raise."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def open_redis() -> Redis:
    """Return a new client, bytes in and out; the caller closes it.

    A command on a connection that was cut is sent again: see `qwencam_site.redis_options`.
    """
    pool = BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=POOL_CONNECTIONS,
        timeout=POOL_SECONDS,
        **settings.REDIS_OPTIONS,
    )
    return Redis.from_pool(pool)


def async_redis() -> Redis:
    """Return this event loop's client, opened at first use and kept as long as the loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = open_redis()
    return _clients[loop]
