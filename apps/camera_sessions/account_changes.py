"""Ends camera sessions when their user's account or login ends or changes.

Importing this connects the receivers.
"""

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.accounts.models import User
from apps.accounts.signals import (
    AccountChange,
    account_changed,
    login_ended,
    other_logins_ended,
)
from apps.camera_sessions.lifecycle import end_sessions
from apps.camera_sessions.models import CameraSession, EndReason


@receiver(pre_delete, sender=User, dispatch_uid="camera_sessions.end_of_deleted_user")
def end_of_deleted_user(*, instance: User, **_: Any) -> None:
    """Ends the sessions before their rows go with the user, so that sockets and streams close."""
    sessions = CameraSession.objects.of(instance)
    end_sessions(sessions, reason=EndReason.USER, note="The account was deleted.")


@receiver(account_changed, dispatch_uid="camera_sessions.end_after_password_reset")
def end_after_password_reset(*, change: AccountChange, actor: User | None, **_: Any) -> None:
    """A password is also reset because somebody else had got in: their sessions must not go on."""
    if change is AccountChange.PASSWORD_RESET and actor is not None:
        sessions = CameraSession.objects.of(actor)
        end_sessions(sessions, reason=EndReason.USER, note="The password was reset.")


@receiver(login_ended, dispatch_uid="camera_sessions.end_with_login")
def end_with_login(*, login_id: str, **_: Any) -> None:
    """Signing out of a browser stops the cameras in all of its tabs."""
    sessions = CameraSession.objects.opened_by_login(login_id)
    end_sessions(sessions, reason=EndReason.SIGNED_OUT)


@receiver(other_logins_ended, dispatch_uid="camera_sessions.end_with_other_logins")
def end_with_other_logins(*, user: User, kept: str, **_: Any) -> None:
    """Changing the password signs other devices out, as its page says, and stops their cameras."""
    sessions = CameraSession.objects.of(user).opened_by_other_logins(than=kept)
    end_sessions(sessions, reason=EndReason.SIGNED_OUT)
