"""Forgetting records of sessions that ended long ago."""

from datetime import datetime

from django.db.models import QuerySet

from apps.camera_sessions.models import CameraSession


def purgeable(before: datetime) -> QuerySet[CameraSession]:
    """The sessions that ended before that moment. A session that goes on is never among them."""
    return CameraSession.objects.filter(ended_at__lt=before)


def purge_ended(before: datetime, *, at_most: int) -> int:
    """Deletes up to `at_most` of them and returns how many: zero when none is left."""
    ids = list(purgeable(before).order_by().values_list("pk", flat=True)[:at_most])
    deleted, _ = CameraSession.objects.filter(pk__in=ids).delete()
    return deleted
