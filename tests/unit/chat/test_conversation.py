"""What a session has said: kept for a while, the older half dropped at once."""

from redis.asyncio import Redis

from apps.chat.conversation import Conversation
from apps.inference.prompts import Turn


async def questions(conversation: Conversation) -> list[str]:
    async with conversation.redis.pipeline(transaction=False) as trip:
        conversation.add_load(trip)
        (found,) = await trip.execute()
    return [turn.question for turn in conversation.read(found)]


async def test_the_older_half_goes_at_once_so_that_prompts_begin_alike(redis: Redis):
    conversation = Conversation(redis, "s", turns=6, ttl=60)
    lengths, begun_alike = [], 0
    before: list[str] = []
    for number in range(20):
        await conversation.add(Turn(f"q{number}", "a", "frame"))
        now = await questions(conversation)
        assert now[-1] == f"q{number}"
        lengths.append(len(now))
        begun_alike += now[: len(before)] == before
        before = now
    assert lengths[:9] == [1, 2, 3, 4, 5, 6, 3, 4, 5]
    assert max(lengths) == 6
    assert begun_alike == 16  # All but the four that dropped something.
    assert 0 < await redis.ttl("conversation:s") <= 60


async def test_one_turn_and_none(redis: Redis):
    one = Conversation(redis, "s", turns=1, ttl=60)
    for text in ("first", "second"):
        await one.add(Turn(text, "a"))
    assert await questions(one) == ["second"]
    await one.forget()
    assert await questions(one) == []
    none = Conversation(redis, "s", turns=0, ttl=60)
    await none.add(Turn("q", "a"))
    assert await questions(none) == []
    assert not await redis.keys("conversation:*")
