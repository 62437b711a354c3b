"""Who may read the metrics, and which pages may open sockets."""

from urllib.parse import urlparse

import pytest

from qwencam_site.origins import BrowserOrigins
from qwencam_site.views import is_allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("11.1.2.3", False), ("", False)],
)
def test_metrics_are_for_listed_addresses_and_networks(address: str, allowed: bool):
    assert is_allowed(address, allow=["127.0.0.1", "::1", "10.0.0.0/8"]) is allowed


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
