"""Users' preferences: looked for once, replaced when a user is saved, and nobody else's."""

import pytest
from asgiref.sync import sync_to_async
from redis.asyncio import Redis

from apps.accounts.models import User
from apps.chat.askers import asker_for_user
from apps.chat.known_preferences import NO_PREFERENCES, KnownPreferences, preferences_of
from apps.chat.preferences import AnswerPreferences

GERMAN = AnswerPreferences(language="German", length="long")


@pytest.fixture
def known(redis: Redis) -> KnownPreferences:
    return KnownPreferences(redis, ttl=60)


async def look(known: KnownPreferences, asker: str) -> tuple[bytes | None, AnswerPreferences]:
    async with known.redis.pipeline(transaction=False) as trip:
        known.add_load(trip, asker)
        (found,) = await trip.execute()
    return found, await known.of(asker, found)


def test_preferences_are_the_users_own(db):
    owner = User.objects.create_user("owner", answer_language="German", answer_length="long")
    stranger = User.objects.create_user("stranger", answer_language="French")
    assert preferences_of(owner.pk) == GERMAN
    assert preferences_of(stranger.pk) == AnswerPreferences(language="French")
    assert preferences_of(stranger.pk + 1) == NO_PREFERENCES


@pytest.mark.django_db(transaction=True)
async def test_the_database_is_asked_once(known: KnownPreferences):
    owner = await User.objects.acreate(
        username="owner", answer_language="German", answer_length="long"
    )
    asker = asker_for_user(owner.pk)
    assert await look(known, asker) == (None, GERMAN)
    found, chosen = await look(known, asker)
    assert found is not None
    assert chosen == GERMAN
    assert 0 < await known.redis.ttl(f"preferences:{asker}") <= 60


@pytest.mark.django_db(transaction=True)
async def test_a_saved_user_is_heeded_at_once(known: KnownPreferences):
    owner = await User.objects.acreate(username="owner", answer_language="German")
    asker = asker_for_user(owner.pk)
    await look(known, asker)
    owner.answer_language = "French"
    await sync_to_async(owner.save)()
    assert (await look(known, asker))[1] == AnswerPreferences(language="French")


@pytest.mark.django_db(transaction=True)
async def test_an_old_look_does_not_replace_what_was_saved(known: KnownPreferences):
    owner = await User.objects.acreate(username="owner")
    asker = asker_for_user(owner.pk)
    await known.replace(asker, GERMAN)
    assert await known.of(asker, None) == NO_PREFERENCES  # Read before the user was saved.
    assert (await look(known, asker))[1] == GERMAN


@pytest.mark.django_db(transaction=True)
async def test_a_login_changes_nothing(known: KnownPreferences):
    owner = await User.objects.acreate(username="owner", answer_language="German")
    asker = asker_for_user(owner.pk)
    owner.answer_language = "French"
    await sync_to_async(owner.save)(update_fields=["last_login"])
    assert await look(known, asker) == (None, AnswerPreferences(language="German"))


async def test_who_has_no_account_has_no_preferences(known: KnownPreferences):
    assert await look(known, "session:1") == (None, NO_PREFERENCES)
    assert await known.redis.dbsize() == 0


@pytest.mark.django_db(transaction=True)
def test_a_user_is_saved_without_redis():
    # The tests' settings name a Redis that is not there.
    owner = User.objects.create_user("owner")
    owner.answer_language = "German"
    owner.save()
    assert preferences_of(owner.pk) == AnswerPreferences(language="German")
