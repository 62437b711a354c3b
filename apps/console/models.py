"""The audit: who did what, and when. Never what was seen or said.

Append-only here and, by triggers (migration 0004), in the database.
"""

from datetime import datetime
from typing import Any, NoReturn

from django.db import models, transaction
from django.utils import timezone


class AppendOnly(Exception):
    """Entries are written once; nobody changes or deletes one."""


class Kind(models.TextChoices):
    """What happened."""

    LOGIN = "login", "logged in"
    LOGOUT = "logout", "logged out"
    LOGIN_FAILED = "login_failed", "failed to log in"
    LOCKED_OUT = "locked_out", "locked out"
    REGISTERED = "registered", "registered"
    CONFIRMED = "confirmed", "confirmed the address"
    INVITED = "invited", "invited somebody"
    INVITATION_WITHDRAWN = "invitation_withdrawn", "withdrew an invitation"
    JOINED = "joined", "joined by invitation"
    PASSWORD_CHANGED = "password_changed", "changed the password"
    PASSWORD_RESET = "password_reset", "reset the password"
    DELETED = "deleted", "deleted the account"
    ADDED_BY_ADMIN = "added_by_admin", "added an account"
    EDITED_BY_ADMIN = "edited_by_admin", "edited an account"
    SESSION_ENDED = "session_ended", "session ended"
    SETTING_CHANGED = "setting_changed", "changed a setting"
    AUDIT_EXPORTED = "audit_exported", "exported the audit"
    RECORDS_PURGED = "records_purged", "purged old records"


class AuditEntries(models.QuerySet["AuditEntry"]):
    """Entries to read."""

    def update(self, **_: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def purge(self, *, before: datetime) -> int:
        """Deletes what is older than the operator keeps records; the one way to do so."""
        # PostgreSQL knows a row written after a savepoint by another transaction's number.
        with transaction.atomic(using=self.db, savepoint=False):
            permit = AuditPurge.objects.using(self.db).create(before=before)
            deleted = super().filter(at__lt=before)._raw_delete(self.db)
            permit.delete()
        return deleted


class AuditEntry(models.Model):
    """One thing that happened.

    `actor` is the username of who did it (empty: a visitor, the platform, a shell), a text so that
    it stays when the account is gone. `subject` is whom or what it happened to: a username, a
    session's id, a setting. `detail` is a short text or sentence, never content.
    """

    at = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=24, choices=Kind)
    actor = models.CharField(max_length=150, blank=True)
    subject = models.CharField(max_length=150, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)

    objects = AuditEntries.as_manager()

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"
        default_permissions = ()
        permissions = (
            ("view_console", "Can look at the console and the audit"),
            ("end_sessions", "Can end camera sessions"),
            ("drain", "Can stop and admit new sessions"),
            ("invite", "Can make invitation links"),
            ("change_settings", "Can change live settings"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind}"

    def save(self, *args: Any, **options: Any) -> None:
        """Writes a new entry; `AppendOnly` for one that exists."""
        if self.pk is not None:
            raise AppendOnly
        super().save(*args, **options)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise AppendOnly


class AuditPurge(models.Model):
    """Permits the transaction that writes it to delete entries older than `before`.

    The triggers look for one. It is deleted in the same transaction, so no other connection ever
    sees it. One that is left behind by hand permits nothing: on SQLite from a minute after it was
    `made`. Nor does one whose `before` lies in the future.
    """

    before = models.DateTimeField()
    made = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"before {self.before:%Y-%m-%d %H:%M:%S}"
