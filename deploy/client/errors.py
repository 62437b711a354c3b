"""What a client is told instead of an answer."""

from typing import Any, Self

Message = dict[str, Any]
"""One message of the socket, or one JSON object of the API, as `docs/protocol.md` has them."""


class Refused(Exception):
    """The platform said no.

    Attributes:
        code: one of the error codes in `docs/protocol.md`, to decide by.
        detail: a sentence for people.
        status: of the HTTP reply, `None` on the socket.
    """

    def __init__(self, code: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.status = status

    @classmethod
    def from_message(cls, message: Message, *, status: int | None = None) -> Self:
        """Return the error that an `error` message, or a refused request's body, tells of."""
        return cls(str(message.get("error", "")), str(message.get("detail", "")), status=status)


class ConnectionLost(ConnectionError):
    """The socket is closed; `code` says why (`docs/protocol.md` has the codes).

    Answers under way go on at the server: `Camera.reconnect` brings the rest of them.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"The socket was closed with {code}.")
        self.code = code
