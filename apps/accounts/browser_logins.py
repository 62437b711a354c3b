"""A browser's login: from the password to whatever ends it, under an id of its own.

The id outlives a change of the cookie (as after a change of the password) and is no secret: it
opens nothing. What is opened by a login's cookie is kept under it, so that it ends with the login.
"""

from typing import Any
from uuid import uuid4

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest

LOGIN_ID = "login_id"


def login_id(request: HttpRequest) -> str:
    """The id of the login that the request's cookie stands for; empty without one.

    A login that is older than these ids gets its own now.
    """
    if not request.user.is_authenticated:
        return ""
    return _ensure_login_id(request.session)


def lock_login(session_key: str | None) -> bool:
    """Keeps a login from ending before the transaction does. False: it has ended already."""
    row = Session.objects.select_for_update().filter(session_key=session_key)
    return row.values_list("pk").first() is not None


@receiver(user_logged_in, dispatch_uid="accounts.assign_login_id")
def assign_login_id(*, request: HttpRequest, **_: Any) -> None:
    """At once rather than at first use, which two requests may make at the same time."""
    # A program that sent a password has no login in the cookie's sense.
    if SESSION_KEY in request.session:
        _ensure_login_id(request.session)


def _ensure_login_id(session: SessionBase) -> str:
    return str(session.setdefault(LOGIN_ID, uuid4().hex))
