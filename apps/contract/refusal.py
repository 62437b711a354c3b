"""The one error that clients are told of."""

from apps.contract.codes import ErrorCode


class Refusal(Exception):
    """Something that a client asked for can't be done.

    The doors turn it into a reply: over HTTP with the code's status, on the socket as an `error`
    message. A subclass adds what somebody on the way there has to know, never another code.

    Args:
        code: for programs.
        detail: one sentence for people; holds nothing that the client sent.
        id: the question it belongs to, if it belongs to one.
    """

    def __init__(self, code: ErrorCode, detail: str, *, id: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.id = id

    def as_dict(self) -> dict[str, str]:
        """Return the two fields that clients get."""
        return {"error": self.code, "detail": self.detail}
