"""How the server says no: an error message, or a close code."""

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """Why the server closes a socket (RFC 6455 section 7.4; 4000-4999 are the application's)."""

    GOING_AWAY = 1001
    RESTARTING = 1012
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    ENDED = 4404
    IDLE = 4408
    TAKEN_OVER = 4409
    MESSAGE_TOO_LARGE = 4413
    TOO_MANY_MESSAGES = 4429


class ProtocolError(Exception):
    """A client's message that can't be taken.

    Args:
        code: machine-readable error code.
        detail: one sentence for people; holds nothing the client sent.
        id: the question it belongs to, if it named one.
    """

    def __init__(self, code: str, detail: str, *, id: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.id = id

    @classmethod
    def store_away(cls, *, id: str | None = None) -> Self:
        """Redis could not take a message, nor the question in it if there was one."""
        detail = "QwenCam's message store does not answer; please try again."
        return cls("unavailable", detail, id=id)
