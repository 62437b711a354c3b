"""What the tests of camera sessions have in common beside their fixtures."""

from datetime import timedelta

from django.utils import timezone

from apps.camera_sessions.lifecycle import SessionLimits
from apps.camera_sessions.models import PRESENCE, CameraSession

LIMITS = SessionLimits(
    max_sessions=100, max_sessions_per_user=5, max_sessions_per_address=5, idle_seconds=3600
)


def unused_for(session: CameraSession, *, seconds: float) -> None:
    """Makes it `seconds` since anybody used `session`."""
    moment = timezone.now() - timedelta(seconds=seconds)
    CameraSession.objects.filter(pk=session.pk).update(
        last_active_at=moment, present_until=moment + PRESENCE
    )
