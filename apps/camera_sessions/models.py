"""The record of a camera session: when, whose, how much. Never what was seen or said."""

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import User


def new_refresh_id() -> str:
    return uuid.uuid4().hex


MAX_NOTE_CHARS = 200
PRESENCE = timedelta(seconds=60)
"""Several times what an open socket lets pass between two notes: a late one costs no place."""


def presence_end() -> datetime:
    """Until when a session that was seen just now counts as present."""
    return timezone.now() + PRESENCE


class EndReason(models.TextChoices):
    """Why a session ended."""

    USER = "user", "ended by its user"
    IDLE = "idle", "idle for too long"
    REPLACED = "replaced", "abandoned, and its place was needed"
    OPERATOR = "operator", "ended by an operator"
    SIGNED_OUT = "signed_out", "its user signed out"


class CameraSessionQuerySet(models.QuerySet["CameraSession"]):
    """The conditions on camera sessions, each in one place; they can be chained."""

    def unended(self) -> Self:
        """Those whose end is not recorded: the live ones, and idle ones not expired yet."""
        return self.filter(ended_at=None)

    def live(self, *, now: datetime, idle_seconds: float) -> Self:
        """Those that may be used: not ended, and used less than `idle_seconds` before `now`."""
        return self.unended().filter(last_active_at__gt=now - timedelta(seconds=idle_seconds))

    def idle(self, *, now: datetime, idle_seconds: float) -> Self:
        """Those that have not ended and are not live: to be expired."""
        return self.unended().filter(last_active_at__lte=now - timedelta(seconds=idle_seconds))

    def of(self, user: User) -> Self:
        """Those of one user."""
        return self.filter(user=user)

    def of_active_users(self) -> Self:
        """Those of anonymous visitors and of users who are not disabled."""
        return self.filter(models.Q(user=None) | models.Q(user__is_active=True))

    def opened_by_login(self, login_id: str) -> Self:
        """Those that this login of a browser has opened."""
        # Every session that no login opened has the empty id: an empty one must not match them all.
        return self.filter(login_id=login_id) if login_id else self.none()

    def opened_by_other_logins(self, *, than: str) -> Self:
        """Those that browsers' logins have opened, except the login `than`."""
        return self.exclude(login_id__in=("", than))

    def purgeable(self, *, before: datetime) -> Self:
        """Those that ended before that moment; one that has not ended never is."""
        return self.filter(ended_at__lt=before)


class CameraSession(models.Model):
    """One camera session, from its token to its end.

    `last_active_at` is its last use; idleness counts from there. Until `present_until` somebody
    is taken to be there, an open socket being enough. `refresh_id` names the one refresh token
    that is good now. `login_id` is the browser's login that opened it (see
    `apps.accounts.browser_logins`), empty for an anonymous visitor and for a program. A row whose
    `ended_at` is set never changes back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="camera_sessions",
    )
    address = models.GenericIPAddressField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_active_at = models.DateTimeField(default=timezone.now)
    present_until = models.DateTimeField(default=presence_end)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=16, choices=EndReason, blank=True, default="")
    end_note = models.CharField(max_length=MAX_NOTE_CHARS, blank=True, default="")
    refresh_id = models.CharField(max_length=32, default=new_refresh_id, editable=False)
    login_id = models.CharField(max_length=32, blank=True, default="", editable=False)

    questions = models.PositiveIntegerField(default=0)
    answers = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    frames = models.PositiveIntegerField(default=0)

    objects = CameraSessionQuerySet.as_manager()

    class Meta:
        ordering = ("-started_at",)
        constraints = (
            models.CheckConstraint(
                name="camera_session_ended_has_reason",
                condition=models.Q(ended_at__isnull=True, end_reason="")
                | (models.Q(ended_at__isnull=False) & ~models.Q(end_reason="")),
            ),
        )
        indexes = (
            models.Index(
                name="camera_session_unended",
                fields=("last_active_at",),
                condition=models.Q(ended_at__isnull=True),
            ),
            models.Index(
                name="camera_session_unended_of_user",
                fields=("user", "last_active_at"),
                condition=models.Q(ended_at__isnull=True),
            ),
            models.Index(
                name="camera_session_unended_login",
                fields=("login_id",),
                condition=models.Q(ended_at__isnull=True) & ~models.Q(login_id=""),
            ),
            models.Index(name="camera_session_started", fields=("started_at",)),
        )

    def __str__(self) -> str:
        return f"camera session {self.id}"
