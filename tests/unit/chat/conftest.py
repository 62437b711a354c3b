"""The stores that most tests here need, over the test's own Redis."""

import pytest
from redis.asyncio import Redis

from apps.chat.fairness import FairQueue
from apps.chat.questions import QuestionStore


@pytest.fixture
def questions(redis: Redis) -> QuestionStore:
    return QuestionStore(redis, ttl=60)


@pytest.fixture
def turns(redis: Redis) -> FairQueue:
    return FairQueue(redis, grace=60, ttl=60)
