"""Who may open a session's socket."""

from collections.abc import Sequence

from apps.camera_sessions.authentication import authenticate_token
from apps.camera_sessions.models import CameraSession
from apps.chat.protocol import SUBPROTOCOL, CloseCode
from apps.contract import Refusal

_BEARER = "bearer."


class EntryRefused(Exception):
    """A socket that must close again.

    Args:
        code: machine-readable error code.
        detail: one sentence for people.
        close: the code that the socket closes with.
    """

    def __init__(self, code: str, detail: str, close: CloseCode) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.close = close


async def entering(subprotocols: Sequence[str], *, session_id: str) -> CameraSession:
    """Return the session whose access token is among a socket's subprotocols.

    Args:
        session_id: the one that the socket's address names.

    Raises:
        EntryRefused: without our subprotocol and a valid token of that very session.
    """
    if SUBPROTOCOL not in subprotocols:
        detail = f"A socket must offer the subprotocols {SUBPROTOCOL} and bearer.<access token>."
        raise EntryRefused("not_authenticated", detail, CloseCode.NOT_AUTHENTICATED)
    try:
        session = await authenticate_token(bearer(subprotocols))
    except Refusal as refusal:
        ended = refusal.code == "session_ended"
        close = CloseCode.ENDED if ended else CloseCode.NOT_AUTHENTICATED
        raise EntryRefused(refusal.code, refusal.detail, close) from refusal
    if str(session.pk) != session_id.lower():
        detail = "This token belongs to another session."
        raise EntryRefused("forbidden", detail, CloseCode.FORBIDDEN)
    return session


def bearer(subprotocols: Sequence[str]) -> str:
    """Return the access token among a socket's subprotocols, or an empty text."""
    tokens = [name.removeprefix(_BEARER) for name in subprotocols if name.startswith(_BEARER)]
    return tokens[0] if tokens else ""
