"""The loads that workers report: others' answers count, a worker that is gone is forgotten."""

import json

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from apps.fleet.server_loads import REPORTS, ServerLoad, ServerLoads, read_loads


def loads(redis: Redis, worker: str) -> ServerLoads:
    return ServerLoads(redis, worker=worker, ttl=60)


async def test_each_hears_the_sum_of_the_others(redis: Redis):
    await loads(redis, "one").exchange({"a": ServerLoad(2, True), "b": ServerLoad(1, True)})
    await loads(redis, "two").exchange({"a": ServerLoad(3, True)})
    heard = await loads(redis, "three").exchange({"a": ServerLoad(9, True)})
    assert dict(heard) == {"a": 5, "b": 1}


async def test_a_worker_that_is_gone_is_forgotten(redis: Redis):
    old = {"at": 1.0, "servers": {"a": {"open": 7, "up": True}}}
    await redis.hset(REPORTS, "gone", json.dumps(old))
    assert not await loads(redis, "one").exchange({"a": ServerLoad(0, True)})
    assert await read_loads(redis) == {"one": {"a": ServerLoad(0, True)}}
    assert await redis.hkeys(REPORTS) == [b"one"]
    assert 0 < await redis.ttl(REPORTS) <= 60


async def test_a_session_is_sticky_for_all_workers_and_not_for_ever(redis: Redis):
    assert await loads(redis, "one").sticky_server("s") == ""
    await loads(redis, "one").stick("s", "a")
    assert await loads(redis, "two").sticky_server("s") == "a"
    assert 0 < await redis.ttl("model_servers:home:s") <= 60


async def test_without_redis_each_goes_on_alone():
    nowhere = loads(Redis(port=1, retry=Retry(NoBackoff(), 0)), "one")
    assert not await nowhere.exchange({"a": ServerLoad(0, True)})
    await nowhere.stick("s", "a")
    assert await nowhere.sticky_server("s") == ""
