"""The workers' board: others' answers count, a worker that is gone is forgotten."""

import json

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from apps.chat.server_board import BOARD, RedisBoard
from apps.inference.board import ServerNews


def board(redis: Redis, worker: str) -> RedisBoard:
    return RedisBoard(redis, worker=worker, ttl=60)


async def test_each_hears_the_sum_of_the_others(redis: Redis):
    await board(redis, "one").exchange({"a": ServerNews(2, True), "b": ServerNews(1, True)})
    await board(redis, "two").exchange({"a": ServerNews(3, True)})
    heard = await board(redis, "three").exchange({"a": ServerNews(9, True)})
    assert dict(heard) == {"a": 5, "b": 1}


async def test_a_worker_that_is_gone_is_forgotten(redis: Redis):
    old = {"at": 1.0, "servers": {"a": {"open": 7, "up": True}}}
    await redis.hset(BOARD, "gone", json.dumps(old))
    assert not await board(redis, "one").exchange({"a": ServerNews(0, True)})
    assert await redis.hkeys(BOARD) == [b"one"]
    assert 0 < await redis.ttl(BOARD) <= 60


async def test_a_session_is_settled_for_all_workers_and_not_for_ever(redis: Redis):
    assert await board(redis, "one").home("s") == ""
    await board(redis, "one").settle("s", "a")
    assert await board(redis, "two").home("s") == "a"
    assert 0 < await redis.ttl("model_servers:home:s") <= 60


async def test_without_redis_each_goes_on_alone():
    nowhere = board(Redis(port=1, retry=Retry(NoBackoff(), 0)), "one")
    assert not await nowhere.exchange({"a": ServerNews(0, True)})
    await nowhere.settle("s", "a")
    assert await nowhere.home("s") == ""
