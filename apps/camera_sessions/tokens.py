"""Session tokens: JWTs good for one camera session and for nothing else.

Claims: `sid` (the session's UUID), `user_id` (a string; absent for an anonymous visitor),
`jti`, `iat`, `exp`, `token_type`. The types are our own, so a session token is no API login
token and an access token is no refresh token, nor the other way round. Key and lifetimes come
from the setting SIMPLE_JWT.

A refresh token is single-use: its `jti` must be the session's `refresh_id`, which every
refresh replaces (`lifecycle.rotate_refresh`). No token is ever stored.
"""

from dataclasses import dataclass
from uuid import UUID

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from apps.camera_sessions.models import CameraSession
from apps.contract import ErrorCode, Refusal

MAX_TOKEN_CHARS = 4096  # Many times one of ours: a longer text is refused unread.


class SessionAccessToken(AccessToken):
    token_type = "camera_access"  # noqa: S105  (a claim, no secret)


class SessionRefreshToken(RefreshToken):
    token_type = "camera_refresh"  # noqa: S105
    access_token_class = SessionAccessToken


@dataclass(frozen=True)
class SessionClaims:
    """What a verified token says."""

    session_id: UUID
    user_id: str | None
    token_id: str


@dataclass(frozen=True)
class TokenPair:
    """Encoded tokens; `expires_in` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int


def not_good() -> Refusal:
    """What is said of a token that is none of ours, too old, or spent."""
    return Refusal(ErrorCode.NOT_AUTHENTICATED, "The session token is not valid, or no longer.")


def session_over() -> Refusal:
    """What is said of a good token whose session has ended."""
    return Refusal(ErrorCode.SESSION_ENDED, "The camera session has ended.")


def issue(session: CameraSession) -> TokenPair:
    """Tokens for `session`; the refresh token is the one its `refresh_id` names."""
    refresh = SessionRefreshToken()
    refresh["jti"] = session.refresh_id
    refresh["sid"] = str(session.pk)
    if session.user_id is not None:
        refresh["user_id"] = str(session.user_id)
    access = refresh.access_token
    return TokenPair(
        access=str(access), refresh=str(refresh), expires_in=access["exp"] - access["iat"]
    )


def read_access(token: str) -> SessionClaims:
    """The claims of a good access token, or a `Refusal`."""
    return _read(token, kind=SessionAccessToken)


def read_refresh(token: str) -> SessionClaims:
    """The claims of a good refresh token, or a `Refusal`."""
    return _read(token, kind=SessionRefreshToken)


def _read(encoded: str, *, kind: type[Token]) -> SessionClaims:
    if len(encoded) > MAX_TOKEN_CHARS:
        raise not_good()
    try:
        token = kind(encoded)  # type: ignore[arg-type]  # simplejwt annotates it as a Token
        user_id = token.get("user_id")
        return SessionClaims(
            session_id=UUID(token["sid"]),
            user_id=None if user_id is None else str(user_id),
            token_id=str(token["jti"]),
        )
    except (TokenError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise not_good() from error
