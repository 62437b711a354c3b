"""Logging in by username and password, the one way for the login page, the admin and the API.

Failures are counted in Django's cache, by address and by username, so that guessing is slow.
The bound for a username is the looser one: a stranger who guesses at it should hardly be able to
lock its owner out. An IPv6 address counts as its /64 network, which is what one customer gets.
"""

from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from django.contrib.auth import authenticate
from django.core.cache import cache
from django.http import HttpRequest

from apps.accounts.models import User

FAILURE_WINDOW_SECONDS = 60
FAILURES_PER_ADDRESS = 10
FAILURES_PER_USERNAME = 60


class LoginRefused(Exception):
    """No login. `code` is invalid_credentials, or rate_limited after too many failures."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class _FailureCount:
    """Failures under one key within a window that begins with the first of them."""

    key: str
    limit: int

    def is_exceeded(self) -> bool:
        return int(cache.get(self.key, 0)) >= self.limit

    def add(self) -> None:
        cache.add(self.key, 0, FAILURE_WINDOW_SECONDS)
        try:
            cache.incr(self.key)
        except ValueError:  # The window ended between the two calls.
            cache.add(self.key, 1, FAILURE_WINDOW_SECONDS)


def log_in(request: HttpRequest, *, username: str, password: str) -> User:
    """The user of these credentials, or `LoginRefused`, which does not say what was wrong."""
    counts = _counts(client_address(request), username)
    if any(count.is_exceeded() for count in counts):
        raise LoginRefused("rate_limited", "Too many failed logins; wait a minute.")
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        for count in counts:
            count.add()
        raise LoginRefused("invalid_credentials", "The username or the password is wrong.")
    return user


def client_address(request: HttpRequest) -> str | None:
    """The client's IP address as the server in front reported it, or None."""
    reported = request.META.get("REMOTE_ADDR", "").partition("%")[0]
    try:
        return str(ip_address(reported))
    except ValueError:
        return None


def _counts(address: str | None, username: str) -> tuple[_FailureCount, _FailureCount]:
    name = sha256(username.lower().encode("utf-8", "surrogatepass")).hexdigest()
    return (
        _FailureCount(f"login-failures:from:{_network(address)}", FAILURES_PER_ADDRESS),
        _FailureCount(f"login-failures:as:{name}", FAILURES_PER_USERNAME),
    )


def _network(address: str | None) -> str:
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False).network_address)
    return address
