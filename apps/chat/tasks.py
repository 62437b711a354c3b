"""Celery's door: ids come in, one function is called."""

from functools import cache
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from django.db import DatabaseError

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession
from apps.chat.generation import Generation, GenerationConfig, Outcome
from apps.chat.preferences import AnswerPreferences, shaped
from apps.chat.process_name import process_name
from apps.chat.services import services
from apps.chat.worker_loop import worker_loop
from apps.inference.client import ModelServers
from apps.live_settings.current import current, fresh

NO_PREFERENCES = AnswerPreferences()
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
    )


def preferences_of(session_id: str) -> AnswerPreferences:
    """Return how the session's user wants to be answered; the default without one."""
    session = CameraSession.objects.filter(pk=session_id, user__isnull=False)
    try:
        chosen = session.values_list("user__answer_language", "user__answer_length").first()
    except DatabaseError:  # An answer in the usual way is better than none.
        chosen = None
    return AnswerPreferences(language=chosen[0], length=chosen[1]) if chosen else NO_PREFERENCES


async def generate(
    session_id: str, question_id: str, attempt: int, *, preferences: AnswerPreferences
) -> Outcome:
    """Answer a question with the parts of the worker's loop."""
    parts = services()
    live = current()
    config = GenerationConfig(
        system_prompt=live.system_prompt,
        max_tokens=live.response_max_tokens,
        context_tokens=settings.MODEL_MAX_TOKENS,
    )
    generation = Generation(
        worker=process_name(),
        questions=parts.questions,
        frames=parts.frames,
        figures=parts.figures,
        conversation=parts.conversation,
        events=parts.events,
        servers=model_servers(),
        config=shaped(config, preferences),
    )
    return await generation.answer(session_id, question_id, attempt=attempt)


@shared_task(ignore_result=True)
def answer_question(session_id: str, question_id: str, attempt: int) -> None:
    """Answer a question and count the outcome in the session's row."""
    fresh()
    answer = generate(session_id, question_id, attempt, preferences=preferences_of(session_id))
    outcome = worker_loop().run(answer)
    if outcome in COUNTED:
        lifecycle.count(UUID(session_id), **COUNTED[outcome])


@worker_ready.connect
def start_loop(sender: Any, **_: Any) -> None:
    """Announce the worker as soon as it takes tasks."""
    worker_loop().pool = sender.controller.concurrency


@worker_shutdown.connect
def stop_loop(**_: Any) -> None:
    """End the loop with the worker."""
    worker_loop().stop()
