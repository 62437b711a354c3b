"""Writes the audit, as the receiver of the other apps' signals."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from apps.accounts.logins import client_address
from apps.accounts.models import User
from apps.accounts.signals import AccountChange, account_changed
from apps.camera_sessions.models import EndReason
from apps.camera_sessions.signals import Ending, session_ended
from apps.console.metrics import AUDIT_FAILED
from apps.console.models import AuditEntry, Kind
from apps.live_settings.definitions import DEFINITIONS, Value
from apps.live_settings.signals import setting_changed

logger = logging.getLogger(__name__)


def record(
    kind: Kind,
    *,
    actor: User | None = None,
    subject: str = "",
    detail: str = "",
    address: str | None = None,
) -> None:
    """Writes one entry. One that can't be written is logged: what was done stays done."""
    try:
        AuditEntry.objects.create(
            kind=kind,
            actor=actor.get_username() if actor else "",
            subject=_shown(subject),
            detail=_shown(detail, most=500),
            address=address,
        )
    except Exception as error:  # Whatever it is: an audit that fails must not stop a login.
        AUDIT_FAILED.inc()
        logger.error("An audit entry (%s) could not be written: %s", kind, type(error).__name__)


def listen() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    user_logged_in.connect(on_login)
    user_logged_out.connect(on_logout)
    user_login_failed.connect(on_login_failed)
    account_changed.connect(on_account_changed)
    session_ended.connect(on_session_ended)
    setting_changed.connect(on_setting_changed)


def on_login(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Somebody logged in to the pages."""
    name = user.get_username()
    record(Kind.LOGIN, actor=user, subject=name, address=client_address(request))


def on_logout(*, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Somebody logged out."""
    if user is not None:
        name = user.get_username()
        record(Kind.LOGOUT, actor=user, subject=name, address=client_address(request))


def on_login_failed(
    *, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """A username and a password did not fit."""
    address = client_address(request) if request else None
    record(Kind.LOGIN_FAILED, subject=str(credentials.get("username") or ""), address=address)


def on_account_changed(
    *,
    change: AccountChange,
    username: str,
    actor: User | None,
    address: str | None = None,
    **_: Any,
) -> None:
    """An account was made, changed or deleted."""
    record(Kind(change.value), actor=actor, subject=username, address=address)


def on_session_ended(*, ending: Ending, **_: Any) -> None:
    """A camera session is over."""
    record(
        Kind.SESSION_ENDED,
        actor=ending.actor,
        subject=str(ending.session_id),
        detail=": ".join(filter(None, (EndReason(ending.reason).label, ending.note))),
    )


def on_setting_changed(*, name: str, old: Value, new: Value, actor: User | None, **_: Any) -> None:
    """A live setting has another value."""
    detail = f"{_short(old)} → {_short(new)}"
    record(Kind.SETTING_CHANGED, actor=actor, subject=DEFINITIONS[name].label, detail=detail)


def _shown(text: str, *, most: int = 150) -> str:
    """A text cut to `most` characters, without control characters: a typed name may be anything."""
    return "".join(sign for sign in text if sign.isprintable())[:most]


def _short(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value) or "(empty)"
    return text if len(text) <= 200 else f"{text[:200]}…"
