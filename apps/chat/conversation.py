"""The last turns of a session's conversation, in Redis with the session's life time."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from apps.inference.prompts import Turn


class Conversation:
    """The turns of one session, oldest first.

    Args:
        redis: client with bytes in and out.
        turns: how many turns are kept at most.
        ttl: seconds after the last turn until all are forgotten.
    """

    def __init__(self, redis: Redis, session_id: str, *, turns: int, ttl: int) -> None:
        self.redis = redis
        self._key = f"conversation:{session_id}"
        self._turns = turns
        self._ttl = ttl

    def add_load(self, trip: Pipeline) -> None:
        """Have a pipeline bring what `read` takes."""
        trip.lrange(self._key, -max(1, self._turns), -1)

    def read(self, found: Sequence[bytes]) -> list[Turn]:
        """Return the turns that are kept, oldest first, from what Redis gave."""
        return [Turn(**json.loads(item)) for item in found] if self._turns else []

    async def add(self, turn: Turn) -> None:
        """Append a turn; beyond the limit the older half goes at once.

        Were one dropped at every turn, no prompt would begin as the one before it did, and the
        model servers' prefix caches would find nothing of the conversation.
        """
        if not self._turns:
            return
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.rpush(self._key, json.dumps(asdict(turn)))
            pipe.expire(self._key, self._ttl)
            count, _ = await pipe.execute()
        if count > self._turns:
            await self.redis.ltrim(self._key, self._turns // 2 - self._turns, -1)

    async def forget(self) -> None:
        """Delete the conversation."""
        await self.redis.delete(self._key)
