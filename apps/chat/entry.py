"""Who may open a session's socket."""

from collections.abc import Sequence

from apps.camera_sessions.authentication import authenticate_token
from apps.camera_sessions.models import CameraSession
from apps.chat.protocol import SUBPROTOCOL
from apps.contract import ErrorCode, Refusal

_BEARER = "bearer."


async def entering(subprotocols: Sequence[str], *, session_id: str) -> CameraSession:
    """Return the session whose access token is among a socket's subprotocols.

    Args:
        session_id: the one that the socket's address names.

    Raises:
        Refusal: without our subprotocol and a valid token of that very session.
    """
    if SUBPROTOCOL not in subprotocols:
        detail = f"A socket must offer the subprotocols {SUBPROTOCOL} and bearer.<access token>."
        raise Refusal(ErrorCode.NOT_AUTHENTICATED, detail)
    session = await authenticate_token(bearer(subprotocols))
    if str(session.pk) != session_id.lower():
        raise Refusal(ErrorCode.FORBIDDEN, "This token belongs to another session.")
    return session


def bearer(subprotocols: Sequence[str]) -> str:
    """Return the access token among a socket's subprotocols, or an empty text."""
    tokens = [name.removeprefix(_BEARER) for name in subprotocols if name.startswith(_BEARER)]
    return tokens[0] if tokens else ""
