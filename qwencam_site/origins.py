"""Which pages may open our WebSockets."""

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator
from django.conf import settings


class BrowserOrigins(OriginValidator):
    """Refuses a socket that another site's page opens.

    A browser always names the page's origin. A program that is not a browser names none; it
    can't be made to act for somebody, since the token is not a cookie.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, settings.ALLOWED_HOSTS)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Return whether the origin is absent or one of ``ALLOWED_HOSTS``."""
        if parsed_origin is None:
            return True
        return bool(self.validate_origin(parsed_origin))
