"""HTTP connections to model servers."""

import ssl
from collections.abc import Sequence
from functools import cache

import httpx

CONNECT_SECONDS = 2.0
WRITE_SECONDS = 10.0
KEEPALIVE_SECONDS = 4.0
"""Shorter than vLLM's own 5 s, so that a connection is rarely closed under a new request."""


def http_client(base_urls: Sequence[str]) -> httpx.AsyncClient:
    """A client for one event loop, which its owner closes.

    Reading has no timeout here: callers watch for silence. Proxies in the environment are
    ignored, so that frames go to the model server and nowhere else.
    """
    return httpx.AsyncClient(
        verify=_certificates(base_urls),
        trust_env=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS),
        limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
    )


def _certificates(base_urls: Sequence[str]) -> ssl.SSLContext | bool:
    """What verifies the servers; loading certificates takes 20 ms, so not for http: only."""
    return _tls() if any(url.startswith("https:") for url in base_urls) else False


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
