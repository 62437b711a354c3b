"""How much waits: counted over all processes, without what can no longer be answered."""

from redis.asyncio import Redis

from apps.fleet.queue_depth import LIVE, QUEUE, RUNNING, SECONDS, Depth, read_depth


def test_the_wait_is_all_there_is_to_do_shared_by_those_who_do_it():
    assert Depth(questions=6, live=2, running=4, seconds=3.0).wait == 6.0
    assert Depth(questions=6, live=0, running=0, seconds=3.0).wait == 18.0


async def test_what_is_too_old_is_dropped_and_the_rest_counted(redis: Redis):
    assert await read_depth(redis, older_than=0) == Depth(questions=0, live=0, running=0, seconds=0)
    for name in (QUEUE, LIVE, RUNNING):
        await redis.zadd(name, {"s:old": 1, "s:new": 3})
    await redis.zadd(QUEUE, {"s:next": 4})
    await redis.rpush(SECONDS, 1, 2)
    depth = Depth(questions=2, live=1, running=1, seconds=1.5)
    assert await read_depth(redis, older_than=2) == depth
    assert await read_depth(redis, older_than=0) == depth
