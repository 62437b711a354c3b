"""Which records `purge_records` deletes: every package that keeps some has a line in `KINDS`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions.lifecycle import purge_ended
from apps.camera_sessions.models import CameraSession
from apps.console.models import AuditEntry

BATCH = 1000
"""Records in one DELETE: SQLite's one write lock is held while it runs, and the platform waits."""


@dataclass(frozen=True, kw_only=True)
class RecordKind:
    """Records of one kind.

    Attributes:
        name: for programs.
        title: plural, for people.
        count: how many `purge` would delete, given the moment before which records are old.
        purge: deletes a batch of them and returns how many; zero when none is left.
    """

    name: str
    title: str
    count: Callable[[datetime], int]
    purge: Callable[[datetime], int]


def _expired_logins() -> QuerySet[Session]:
    """Expired login sessions are useless at once, whatever their age."""
    return Session.objects.filter(expire_date__lt=timezone.now())


def _purge_logins(_before: datetime) -> int:
    keys = list(_expired_logins().values_list("pk", flat=True)[:BATCH])
    deleted, _ = Session.objects.filter(pk__in=keys).delete()
    return deleted


def _unconfirmed(before: datetime) -> QuerySet[User]:
    """Registrations whose mailed link nobody used."""
    return User.objects.filter(awaits_confirmation=True, is_active=False, date_joined__lt=before)


def _purge_unconfirmed(before: datetime) -> int:
    keys = list(_unconfirmed(before).values_list("pk", flat=True)[:BATCH])
    _, by_model = User.objects.filter(pk__in=keys).delete()
    return by_model.get(User._meta.label, 0)


def _purge_audit(before: datetime) -> int:
    return AuditEntry.objects.purge(before=before)


KINDS = (
    RecordKind(
        name="camera_sessions",
        title="camera sessions",
        count=lambda before: CameraSession.objects.purgeable(before=before).count(),
        purge=lambda before: purge_ended(before, at_most=BATCH),
    ),
    RecordKind(
        name="login_sessions",
        title="expired login sessions",
        count=lambda _before: _expired_logins().count(),
        purge=_purge_logins,
    ),
    RecordKind(
        name="unconfirmed_registrations",
        title="registrations that nobody confirmed",
        count=lambda before: _unconfirmed(before).count(),
        purge=_purge_unconfirmed,
    ),
    RecordKind(
        name="audit_entries",
        title="audit entries",
        count=lambda before: AuditEntry.objects.filter(at__lt=before).count(),
        purge=_purge_audit,
    ),
)
