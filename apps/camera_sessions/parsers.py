"""Reading request bodies."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.parsers import JSONParser

from apps.contract import ErrorCode, Refusal


def body_too_large() -> Refusal:
    """What is said of one."""
    return Refusal(ErrorCode.MESSAGE_TOO_LARGE, "The request body is too large.")


class SmallJSONParser(JSONParser):
    """JSON of `max_bytes` at most; no more is read, whatever length the client announces."""

    max_bytes = 65_536

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise body_too_large()
        return super().parse(BytesIO(body), media_type, parser_context)
