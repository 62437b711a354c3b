"""Which pages may open sockets."""

from urllib.parse import urlparse

import pytest

from qwencam_site.origins import BrowserOrigins


@pytest.mark.parametrize(
    ("origin", "valid"),
    [
        ("http://localhost:8000", True),
        ("https://localhost", True),
        ("https://evil.example", False),
        ("https://localhost.evil.example", False),
        ("null", False),
        (None, True),  # Not a browser: it needs a token, which no page can steal from a cookie.
    ],
)
def test_only_our_own_pages_open_sockets(origin: str | None, valid: bool):
    parsed = None if origin is None else urlparse(origin)
    assert BrowserOrigins(None).valid_origin(parsed) is valid
