"""Users' preferences in Redis, so that no answer waits for the database.

They get there when an answer first needs them, and whenever a user is saved: what is written then
takes the place of what is there, what an answer brings never does. So no old ones can stay.
"""

import asyncio
import json
import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, transaction
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from apps.accounts.models import User
from apps.chat.askers import asker_for_user, user_of
from apps.chat.preferences import AnswerPreferences
from apps.fleet.redis_client import open_redis

logger = logging.getLogger(__name__)

NO_PREFERENCES = AnswerPreferences()
_FIELDS = frozenset({"answer_language", "answer_length"})
_WRITE_SECONDS = 5


@dataclass(frozen=True)
class KnownPreferences:
    """By asker. `ttl` is in seconds; `redis` hands out bytes."""

    redis: Redis
    ttl: int

    def add_load(self, trip: Pipeline, asker: str) -> None:
        """Have a pipeline bring what `of` takes."""
        trip.get(_key(asker))

    async def of(self, asker: str, found: bytes | None) -> AnswerPreferences:
        """Return how an asker wants to be answered: as was found in Redis or the database."""
        if found is not None:
            return AnswerPreferences(**json.loads(found))
        user_id = user_of(asker)
        if user_id is None:
            return NO_PREFERENCES
        try:
            chosen: AnswerPreferences = await database_sync_to_async(preferences_of)(user_id)
        except DatabaseError:  # An answer in the usual way is better than none.
            return NO_PREFERENCES
        await self.redis.set(_key(asker), _packed(chosen), ex=self.ttl, nx=True)
        return chosen

    async def replace(self, asker: str, chosen: AnswerPreferences) -> None:
        """Store new preferences."""
        await self.redis.set(_key(asker), _packed(chosen), ex=self.ttl)


def preferences_of(user_id: int) -> AnswerPreferences:
    """Return a user's preferences as the database has them; the default for nobody."""
    chosen = User.objects.filter(pk=user_id).values_list("answer_language", "answer_length").first()
    return AnswerPreferences(language=chosen[0], length=chosen[1]) if chosen else NO_PREFERENCES


def on_user_saved(
    *, instance: User, created: bool, update_fields: Collection[str] | None, **_: Any
) -> None:
    """Replace what is known once a user's preferences are in the database."""
    if created or (update_fields is not None and _FIELDS.isdisjoint(update_fields)):
        return
    chosen = AnswerPreferences(language=instance.answer_language, length=instance.answer_length)
    transaction.on_commit(partial(async_to_sync(_replace), asker_for_user(instance.pk), chosen))


async def _replace(asker: str, chosen: AnswerPreferences) -> None:
    # The loop may live for this call only: so does the client.
    redis = open_redis()
    try:
        async with asyncio.timeout(_WRITE_SECONDS):
            await KnownPreferences(redis, settings.SESSION_IDLE_SECONDS).replace(asker, chosen)
    except Exception as error:
        # Redis forgets when it restarts, so it is hardly ever there and yet can't be written to.
        logger.warning("New preferences will be heeded late: %s", type(error).__name__)
    finally:
        await redis.aclose()


def _key(asker: str) -> str:
    return f"preferences:{asker}"


def _packed(chosen: AnswerPreferences) -> str:
    return json.dumps(asdict(chosen))
