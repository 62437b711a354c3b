"""One client for each event loop: a connection of one loop is of no use on another."""

import asyncio

from redis.asyncio import Redis

from apps.fleet.redis_client import async_redis


def test_a_loop_keeps_its_client_and_another_has_another(redis_url: str):
    async def use() -> Redis:
        client = async_redis()
        assert async_redis() is client
        await client.set("key", "value")
        assert await client.get("key") == b"value"
        await client.aclose()
        return client

    assert asyncio.run(use()) is not asyncio.run(use())
