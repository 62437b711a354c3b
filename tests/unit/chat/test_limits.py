"""Limits: how often somebody may do something."""

from redis.asyncio import Redis

from apps.chat.limits import TokenBucket, within_rate


def test_a_bucket_allows_a_burst_then_its_rate():
    bucket = TokenBucket(per_minute=60, now=0.0)
    assert all(bucket.take(now=0.0) for _ in range(60))
    assert not bucket.take(now=0.0)
    assert bucket.take(now=1.0)
    assert not bucket.take(now=1.0)


def test_a_bucket_never_holds_more_than_a_minute():
    bucket = TokenBucket(per_minute=10, now=0.0)
    assert sum(bucket.take(now=3600.0) for _ in range(50)) == 10


async def test_one_users_rate_is_not_anothers(redis: Redis):
    allowed = [await within_rate(redis, "owner", per_minute=3) for _ in range(8)]
    assert allowed[:3] == [True] * 3
    assert not all(allowed)  # 3 a minute: even if the minute turns, 8 are too many
    assert await within_rate(redis, "stranger", per_minute=3)
    for key in await redis.keys("rate:*"):
        assert 0 < await redis.ttl(key) <= 120
