"""The limits that a session is opened under, and the bodies of the replies with its tokens."""

import time

from django.conf import settings

from apps.camera_sessions import tokens
from apps.camera_sessions.lifecycle import SessionLimits
from apps.camera_sessions.models import CameraSession
from apps.camera_sessions.turn_credentials import ice_servers_with_credentials
from apps.live_settings.current import refresh


def session_limits() -> SessionLimits:
    """The limits in force, read from the database: this process may not know the newest."""
    live = refresh()
    return SessionLimits(
        max_sessions=live.max_sessions,
        max_sessions_per_user=live.max_sessions_per_user,
        max_sessions_per_address=live.max_sessions_per_address,
        idle_seconds=settings.SESSION_IDLE_SECONDS,
        accepting=live.accept_sessions,
    )


def opened_session_body(session: CameraSession, *, socket_base: str) -> dict[str, object]:
    """The reply to its opener: tokens, the WebSocket's URL and the ICE servers.

    Args:
        socket_base: scheme and host of the WebSocket, such as `wss://camera.example.org`.
    """
    return {
        **issued_tokens_body(session),
        "session_id": str(session.pk),
        "ws_url": f"{socket_base}/ws/{session.pk}",
        "ice_servers": ice_servers_with_credentials(
            session.pk,
            servers=settings.ICE_SERVERS,
            turn_secret=settings.TURN_SECRET,
            now=time.time(),
        ),
    }


def issued_tokens_body(session: CameraSession) -> dict[str, object]:
    """The reply to a refresh: a pair of tokens for `session`; `expires_in` is seconds."""
    pair = tokens.issue(session)
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in}
