"""Celery's door: a task says that a question waits, one function is called."""

import logging
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.camera_sessions import lifecycle
from apps.chat.generation import Answered, Generation, Outcome
from apps.chat.preferences import GenerationConfig
from apps.chat.service_notify import READY, ask_to_stop_within, notify
from apps.chat.services import services
from apps.chat.worker_loop import worker_loop
from apps.fleet.process_name import process_name
from apps.fleet.redis_client import async_redis
from apps.fleet.server_loads import ServerLoads
from apps.inference.client import ModelServers
from apps.live_settings.current import current, refresh

logger = logging.getLogger(__name__)

# What an outcome adds to the session's row; a frame counts when the model was shown it.
COUNTED: dict[Outcome, dict[str, int]] = {
    "answered": {"answers": 1, "frames": 1},
    "told": {"frames": 1},
    "failed": {"errors": 1},
}


@cache
def model_servers() -> ModelServers:
    """Return this process's connections to the model servers; used on the worker's loop only."""
    return ModelServers(
        base_urls=settings.VLLM_BASE_URLS,
        api_key=settings.VLLM_API_KEY,
        model=settings.MODEL_NAME,
        stall_seconds=settings.MODEL_STALL_SECONDS,
        timeout_seconds=settings.MODEL_TIMEOUT_SECONDS,
        loads=ServerLoads(async_redis(), worker=process_name(), ttl=settings.SESSION_IDLE_SECONDS),
    )


def usual_config() -> GenerationConfig:
    """Return what shapes an answer for who has no preferences."""
    live = current()
    return GenerationConfig(
        system_prompt=live.system_prompt,
        max_tokens=live.response_max_tokens,
        context_tokens=settings.MODEL_MAX_TOKENS,
    )


async def check_servers() -> None:
    """Know which model servers are up before the first question comes."""
    model_servers().start_health_checks()


async def leave_servers() -> None:
    """Close this process's connections to the model servers."""
    await model_servers().aclose()


async def generate() -> Answered | None:
    """Answer the next question with the parts of the worker's loop."""
    parts = services()
    generation = Generation(
        worker=process_name(),
        questions=parts.questions,
        turns=parts.turns,
        frames=parts.frames,
        statistics=parts.statistics,
        conversation=parts.conversation,
        events=parts.events,
        servers=model_servers(),
        preferences=parts.preferences,
        config=usual_config(),
    )
    return await generation.answer_next(per_asker=current().max_answers_per_user)


@shared_task(ignore_result=True)
def answer_next() -> None:
    """Answer the question whose turn it is and count the outcome in its session's row."""
    answered = worker_loop().run(generate())
    if answered is None:
        return
    if answered.parked:
        # Not fatal to what follows; whoever watches over the parked question calls again.
        with suppress(OperationalError, RedisError):
            answer_next.delay()
    if answered.outcome in COUNTED:
        lifecycle.count(UUID(answered.session_id), **COUNTED[answered.outcome])


@worker_ready.connect
def start_loop(sender: Any, **_: Any) -> None:
    """Announce the worker and look at the model servers as soon as it takes tasks."""
    worker_loop().pool = sender.controller.concurrency
    worker_loop().run(check_servers())
    try:
        refresh()
    except DatabaseError as error:  # The loop reads them again every second.
        logger.warning("The live settings can't be read: %s", type(error).__name__)
    notify(READY)


@worker_shutting_down.connect
def finish_answers(**_: Any) -> None:
    """Have the service manager wait for the answers that the worker is still giving."""
    ask_to_stop_within(settings.MODEL_TIMEOUT_SECONDS)


@worker_shutdown.connect
def stop_loop(**_: Any) -> None:
    """End the loop, and what runs on it, with the worker."""
    worker_loop().run(leave_servers())
    worker_loop().stop()
