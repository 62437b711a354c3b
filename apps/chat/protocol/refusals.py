"""What is said where Redis is away, of whatever could not be done without it."""

from apps.contract import ErrorCode, Refusal


def store_away(*, id: str | None = None) -> Refusal:
    """Redis could not take a message, nor the question in it if there was one."""
    detail = "QwenCam's message store does not answer; please try again."
    return Refusal(ErrorCode.UNAVAILABLE, detail, id=id)
