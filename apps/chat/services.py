"""Puts the chat's parts together from the settings, once per event loop."""

from dataclasses import dataclass

from django.conf import settings
from redis.asyncio import Redis

from apps.chat.conversation import Conversation
from apps.chat.events import Events
from apps.chat.fairness import FairQueue
from apps.chat.known_preferences import KnownPreferences
from apps.chat.questions import QuestionStore
from apps.fleet.redis_client import async_redis
from apps.fleet.statistics import Statistics
from apps.frames.store import FrameStore


@dataclass(frozen=True, kw_only=True)
class Services:
    """The stores and the event sender of one event loop."""

    redis: Redis
    events: Events
    questions: QuestionStore
    turns: FairQueue
    frames: FrameStore
    statistics: Statistics
    preferences: KnownPreferences

    def conversation(self, session_id: str) -> Conversation:
        """Return the conversation of a session."""
        return Conversation(
            self.redis,
            session_id,
            turns=settings.HISTORY_TURNS,
            ttl=settings.SESSION_IDLE_SECONDS,
        )

    async def forget(self, session_id: str) -> None:
        """Delete all that is kept of a session's content, now rather than when it expires."""
        await self.questions.forget(session_id)
        await self.conversation(session_id).forget()
        await self.frames.forget(session_id)


def services_over(redis: Redis) -> Services:
    """Return the services over one client, on the loop the client belongs to."""
    return Services(
        redis=redis,
        events=Events(),
        questions=QuestionStore(redis, ttl=settings.SESSION_IDLE_SECONDS),
        turns=FairQueue(
            redis, grace=settings.ASKER_GRACE_SECONDS, ttl=settings.SESSION_IDLE_SECONDS
        ),
        frames=FrameStore(redis, ttl=settings.FRAME_TTL_SECONDS),
        statistics=Statistics(redis),
        preferences=KnownPreferences(redis, ttl=settings.SESSION_IDLE_SECONDS),
    )


def services() -> Services:
    """Return the services of the running event loop."""
    return services_over(async_redis())
