"""Limits: how often somebody may do something."""

from apps.chat.limits import TokenBucket


def test_a_bucket_allows_a_burst_then_its_rate():
    bucket = TokenBucket(per_minute=60, now=0.0)
    assert all(bucket.take(now=0.0) for _ in range(60))
    assert not bucket.take(now=0.0)
    assert bucket.take(now=1.0)
    assert not bucket.take(now=1.0)


def test_a_bucket_never_holds_more_than_a_minute():
    bucket = TokenBucket(per_minute=10, now=0.0)
    assert sum(bucket.take(now=3600.0) for _ in range(50)) == 10
