"""Reading request bodies."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.exceptions import APIException
from rest_framework.parsers import JSONParser


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "message_too_large"
    default_detail = "The request body is too large."


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
            raise BodyTooLarge
        return super().parse(BytesIO(body), media_type, parser_context)
