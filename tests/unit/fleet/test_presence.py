"""Who is alive, as all processes see it.

Guards against: a worker that is gone being counted, an old socket's end taken for the newer one's.
"""

import time

from redis.asyncio import Redis

from apps.fleet import presence


async def test_a_worker_is_known_with_its_facts_until_it_is_silent_for_long(redis: Redis):
    assert await presence.worker_facts(redis) == {}
    before = time.time()
    await presence.announce_worker(redis, "one", {"pool": 8})
    facts = await presence.worker_facts(redis)
    assert facts["one"]["pool"] == 8
    assert before <= facts["one"]["seen_at"] <= time.time()
    await redis.zadd(presence.WORKERS, {"one": before - presence.WORKER_LOST_SECONDS - 1})
    assert await presence.workers(redis) == []


async def test_a_socket_that_was_replaced_does_not_withdraw_the_newer_one(redis: Redis):
    await presence.announce_socket(redis, "ann", "old", ttl=60)
    await presence.announce_socket(redis, "ann", "new", ttl=60)
    await presence.withdraw_socket(redis, "ann", "old", grace=60)
    assert await presence.has_socket(redis, "ann")
    assert await presence.with_sockets(redis, ["ann", "bob"]) == {"ann"}
    await presence.withdraw_socket(redis, "ann", "new", grace=60)
    assert await presence.with_sockets(redis, ["ann"]) == set()
    assert await presence.with_sockets(redis, []) == set()


async def test_a_stream_is_known_until_it_is_withdrawn(redis: Redis):
    await presence.announce_streams(redis, {"ann": {"fps": 15}}, ttl=60)
    assert 0 < await redis.ttl("presence:stream:ann") <= 60
    assert await presence.stream_facts(redis, ["ann", "bob"]) == {"ann": {"fps": 15}}
    await presence.withdraw_stream(redis, "ann")
    assert not await presence.has_stream(redis, "ann")
    assert await presence.stream_facts(redis, []) == {}
