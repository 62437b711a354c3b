"""The id of a browser's login, which camera sessions are recorded under, to end with the login.

Not the cookie's session key: Django gives the cookie another at each change of the password, while
the login goes on. The id is no secret, for nobody gets in with it.
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
    """Locks the login's row, so that it can't end before the transaction. False: it has ended."""
    row = Session.objects.select_for_update().filter(session_key=session_key)
    return row.values_list("pk").first() is not None


@receiver(user_logged_in, dispatch_uid="accounts.assign_login_id")
def assign_login_id(*, request: HttpRequest, **_: Any) -> None:
    """Assigns the id at the login: at first use two requests at once would assign two."""
    # A program that sent a password has no login in the cookie's sense.
    if SESSION_KEY in request.session:
        _ensure_login_id(request.session)


def _ensure_login_id(session: SessionBase) -> str:
    return str(session.setdefault(LOGIN_ID, uuid4().hex))
