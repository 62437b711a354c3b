"""Who may read the metrics, and which pages may open sockets."""

from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlparse

import pytest
from django.test import Client

from qwencam_site.origins import BrowserOrigins
from qwencam_site.views import is_allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("11.1.2.3", False), ("", False)],
)
def test_metrics_are_for_listed_addresses_and_networks(address: str, allowed: bool):
    networks = [ip_network(text) for text in ("127.0.0.1", "::1", "10.0.0.0/8")]
    assert is_allowed(address, allow=networks) is allowed


def test_metrics_of_several_processes_have_the_model_servers_too(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    assert b"qwencam_model_server_up" in client.get("/metrics").content
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert b"qwencam_model_server_up" in client.get("/metrics").content


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
