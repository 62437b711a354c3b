"""What becomes of camera sessions when their user's account changes. Importing this listens."""

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, account_changed
from apps.camera_sessions.lifecycle import end_sessions_of
from apps.camera_sessions.models import EndReason


@receiver(pre_delete, sender=User, dispatch_uid="camera_sessions.end_of_deleted_user")
def end_of_deleted_user(*, instance: User, **_: Any) -> None:
    """Ends the sessions before their rows go with the user, so that sockets and streams close."""
    end_sessions_of(instance, reason=EndReason.USER, note="The account was deleted.")


@receiver(account_changed, dispatch_uid="camera_sessions.end_after_password_reset")
def end_after_password_reset(*, change: AccountChange, actor: User | None, **_: Any) -> None:
    """Whoever had to reset the password may not be the one who opened the sessions."""
    if change is AccountChange.PASSWORD_RESET and actor is not None:
        end_sessions_of(actor, reason=EndReason.USER, note="The password was reset.")
