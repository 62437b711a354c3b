"""From a session token to its live session, for HTTP views and for the WebSocket.

Views that need a session use

    authentication_classes = (CameraSessionAuthentication,)
    permission_classes = (HasCameraSession,)

and find the `CameraSession` in `request.auth`. The consumer awaits `authenticate_token`.
"""

from datetime import timedelta
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.browser_logins import login_id
from apps.accounts.models import User
from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.models import CameraSession
from apps.camera_sessions.tokens import SessionClaims
from apps.contract import ErrorCode, Refusal

LOGIN_HEADER = "X-QwenCam-Login"
TOUCH_AFTER = timedelta(seconds=15)
"""A session used more recently is not written to the database again."""


class CameraSessionAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>` of a live camera session.

    Sets `request.user` (the session's user, or AnonymousUser) and `request.auth` (the
    `CameraSession`). Refuses with 401 and `not_authenticated` or `session_ended`.
    """

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, CameraSession] | None:
        token = bearer_token(request)
        if token is None:
            return None
        session = session_of(token)
        return session.user or AnonymousUser(), session

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class LoginCookie(SessionAuthentication):
    """The browser's login, with CSRF checked. A refusal is 401 rather than 403.

    A page sends in `LOGIN_HEADER` the id of the login that it was loaded under, so that a
    conversation begun under one login never goes on under another's.
    """

    def authenticate(self, request: Request) -> Any:
        loaded_under = request.headers.get(LOGIN_HEADER)
        present = login_id(request._request)
        # Signed out where a login is required: the view's 401 says more than this 409 would.
        matters = bool(present) or not settings.REQUIRE_AUTH
        if loaded_under is not None and matters and loaded_under != present:
            detail = "The login has changed since this page was loaded. Load it anew."
            raise Refusal(ErrorCode.LOGIN_CHANGED, detail)
        return super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class NoAuthentication(BaseAuthentication):
    """Authenticates nobody, for views that check a token in the body.

    Without any class the REST framework would answer their refusals with 403 instead of 401.
    """

    def authenticate(self, request: Request) -> None:
        return None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasCameraSession(BasePermission):
    """The request carries the token of a live camera session."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, CameraSession)


async def authenticate_token(token: str) -> CameraSession:
    """The live session of an access token, its user loaded, or a `Refusal`."""
    session: CameraSession = await database_sync_to_async(session_of)(token)
    return session


def session_of(token: str) -> CameraSession:
    """The live session of an access token, its user loaded, or a `Refusal`.

    Using a session keeps it alive.
    """
    session = live_session_of(tokens.read_access(token))
    if timezone.now() - session.last_active_at > TOUCH_AFTER:
        lifecycle.touch(session.pk, idle_seconds=settings.SESSION_IDLE_SECONDS)
    return session


def live_session_of(claims: SessionClaims) -> CameraSession:
    """The live session that `claims` speak for, or a `Refusal`."""
    session = lifecycle.live_session(claims.session_id, idle_seconds=settings.SESSION_IDLE_SECONDS)
    if session is None:
        raise tokens.session_over()
    owner = None if session.user_id is None else str(session.user_id)
    if owner != claims.user_id:
        raise tokens.not_good()
    return session


def bearer_token(request: Request) -> str | None:
    """The token of a Bearer header; None without one."""
    scheme, _, token = get_authorization_header(request).partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    return token.strip().decode("latin-1")
