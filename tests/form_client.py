"""Django's test client as a browser: forms go as plain fields, since the site takes no files."""

from typing import Any
from urllib.parse import urlencode

from django.test import Client

FORM = "application/x-www-form-urlencoded"


class FormClient(Client):
    """Sends what it posts as a form, unless told otherwise."""

    def post(self, path: str, data: Any = "", content_type: str = FORM, **options: Any) -> Any:
        body = urlencode(data) if isinstance(data, dict) and content_type == FORM else data
        return super().post(path, body, content_type=content_type, **options)
