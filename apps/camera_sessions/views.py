"""The HTTP doors to a camera session: open it, refresh its tokens, look at it, end it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.browser_logins import lock_login, login_id
from apps.accounts.logins import LoginRefused, client_address, log_in
from apps.accounts.models import User
from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.authentication import (
    CameraSessionAuthentication,
    HasCameraSession,
    LoginCookie,
    NoAuthentication,
    live_session_of,
)
from apps.camera_sessions.limits import client_limits
from apps.camera_sessions.metrics import TOKENS_ISSUED
from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.opening import issued_tokens_body, opened_session_body, session_limits
from apps.camera_sessions.parsers import SmallJSONParser
from apps.camera_sessions.serializers import (
    ApiError,
    IssuedTokens,
    OpenedSession,
    RefreshRequest,
    SessionReport,
    TokenRequest,
)
from apps.camera_sessions.throttling import RefreshThrottle, TokenThrottle

How = Literal["cookie", "password", "anonymous"]


class TokenView(APIView):
    """Opens a camera session."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (LoginCookie,)
    parser_classes = (SmallJSONParser,)
    throttle_classes = (TokenThrottle,)

    @extend_schema(
        summary="Open a camera session",
        description="Known by login cookie (with X-CSRFToken), by username and password, or, "
        "where the platform requires no login, by neither.",
        request=TokenRequest,
        responses={
            201: OpenedSession,
            400: ApiError,
            401: ApiError,
            403: ApiError,
            409: ApiError,
            413: ApiError,
            429: ApiError,
            503: ApiError,
        },
    )
    def post(self, request: Request) -> Response:
        # CSRF is checked for the login's cookie only. Without one, another site's page could open
        # sessions that count for its visitor's address.
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise PermissionDenied("Another site may not open sessions here.")
        user, how = _caller(request)
        session = _opened_for(request, user, by_login=how == "cookie")
        TOKENS_ISSUED.labels(how).inc()
        return Response(opened_session_body(session, socket_base=_socket_base(request)), status=201)


class RefreshView(APIView):
    """Exchanges a refresh token, which is then spent, for a new pair."""

    authentication_classes = (NoAuthentication,)
    parser_classes = (SmallJSONParser,)
    throttle_classes = (RefreshThrottle,)

    @extend_schema(
        summary="Refresh a session's tokens",
        request=RefreshRequest,
        responses={200: IssuedTokens, 400: ApiError, 401: ApiError, 413: ApiError, 429: ApiError},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        asked = _valid(RefreshRequest(data=request.data))
        session = _refreshed(asked["refresh"])
        TOKENS_ISSUED.labels("refresh").inc()
        return Response(issued_tokens_body(session))


class SessionView(APIView):
    """The token's own session."""

    authentication_classes = (CameraSessionAuthentication,)
    permission_classes = (HasCameraSession,)

    @extend_schema(summary="Look at the session", responses={200: SessionReport, 401: ApiError})
    def get(self, request: Request) -> Response:
        return Response(_report(_own_session(request)))

    @extend_schema(summary="End the session", responses={204: None, 401: ApiError})
    def delete(self, request: Request) -> Response:
        lifecycle.end_session(_own_session(request).pk, reason=EndReason.USER)
        return Response(status=204)


def _caller(request: Request) -> tuple[User | None, How]:
    """Who asks for a session; given credentials count before a cookie."""
    credentials = _valid(TokenRequest(data=request.data))
    if credentials:
        return _by_password(request, **credentials), "password"
    if isinstance(request.user, User):
        return request.user, "cookie"
    if settings.REQUIRE_AUTH:
        raise NotAuthenticated("Log in first, or send a username and a password.")
    return None, "anonymous"


def _opened_for(request: Request, user: User | None, *, by_login: bool) -> CameraSession:
    """A new session; one by a login ends with it, even if that ends while this one opens."""
    address, limits = client_address(request), session_limits()
    if not by_login:
        return lifecycle.open_session(user, address=address, limits=limits)
    login = login_id(request)
    with transaction.atomic():
        if not lock_login(request.session.session_key):
            raise NotAuthenticated("You have signed out.")
        return lifecycle.open_session(user, address=address, limits=limits, login_id=login)


def _by_password(request: Request, *, username: str, password: str) -> User:
    try:
        user = log_in(request, username=username, password=password)
    except LoginRefused as refusal:
        if refusal.wait is not None:
            raise Throttled(wait=refusal.wait) from refusal
        raise
    # A login like one by the page, though no cookie follows.
    user_logged_in.send(sender=User, request=request, user=user)
    return user


def _refreshed(refresh: str) -> CameraSession:
    """The session whose refresh token this is; it has another one now."""
    claims = tokens.read_refresh(refresh)
    session = live_session_of(claims)
    if not lifecycle.rotate_refresh(
        session, spent=claims.token_id, idle_seconds=settings.SESSION_IDLE_SECONDS
    ):
        raise tokens.not_good()
    return session


def _socket_base(request: Request) -> str:
    return f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"


def _report(session: CameraSession) -> dict[str, object]:
    """The session as its user may see it; times are ISO 8601, `expires_in` is seconds."""
    ends_at = session.last_active_at + timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    return {
        "session_id": str(session.pk),
        "state": "live",
        "started_at": session.started_at.isoformat(),
        "last_active_at": session.last_active_at.isoformat(),
        "expires_in": max(0, round((ends_at - timezone.now()).total_seconds())),
        "user": session.user.get_username() if session.user else None,
        "limits": client_limits(),
        "counters": {
            "questions": session.questions,
            "answers": session.answers,
            "errors": session.errors,
            "frames": session.frames,
        },
    }


def _own_session(request: Request) -> CameraSession:
    session = request.auth
    if not isinstance(session, CameraSession):
        raise NotAuthenticated
    return session


def _valid(serializer: Serializer[Any]) -> dict[str, str]:
    """What the serializer made of its data, or the REST framework's ValidationError."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
