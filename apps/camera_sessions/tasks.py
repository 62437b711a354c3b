"""The scheduler's door to session expiry."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apps.camera_sessions import lifecycle
from apps.camera_sessions.metrics import EXPIRY_RAN


@shared_task(ignore_result=True)
def expire_sessions() -> None:
    """Ends the sessions that have been idle for SESSION_IDLE_SECONDS."""
    lifecycle.expire_idle(timezone.now(), idle_seconds=settings.SESSION_IDLE_SECONDS)
    EXPIRY_RAN.set_to_current_time()
