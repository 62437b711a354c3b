"""Askers: whose questions are counted together and take turns as one."""

from apps.camera_sessions.models import CameraSession

_USER = "user:"


def asker_of(session: CameraSession) -> str:
    """Return who asks in a session: its user, over all their sessions, or itself without one."""
    return asker_for_user(session.user_id) if session.user_id else f"session:{session.pk}"


def asker_for_user(user_id: int) -> str:
    """Return the asker that a user is."""
    return f"{_USER}{user_id}"


def user_of(asker: str) -> int | None:
    """Return the id of the user that asks, ``None`` without one."""
    return int(asker.removeprefix(_USER)) if asker.startswith(_USER) else None
