"""Camera sessions as a maintainer finds them."""

from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from tests.unit.camera_sessions.worlds import LIMITS


def session_of(user: User | None, *, idle: float = 0) -> CameraSession:
    """Open a session that was last used `idle` seconds ago."""
    session = lifecycle.open_session(user, address="192.0.2.1", limits=LIMITS)
    moment = timezone.now() - timedelta(seconds=idle)
    CameraSession.objects.filter(pk=session.pk).update(last_active_at=moment)
    return session


def ended_session_of(user: User | None, *, ago: timedelta = timedelta(0)) -> CameraSession:
    """Open a session that ended so long ago."""
    session = session_of(user)
    lifecycle.end_session(session.pk, reason=EndReason.USER)
    CameraSession.objects.filter(pk=session.pk).update(ended_at=timezone.now() - ago)
    return session
