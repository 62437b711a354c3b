"""Logging in by username and password, the one way for the login page, the admin and the API.

After LOGIN_FAILURE_LIMIT failures nobody gets in from that address, or as that user, until
LOGIN_LOCKOUT_SECONDS have passed; see `lockout` for how they are counted.
"""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Self

from django.contrib.auth import authenticate
from django.http import HttpRequest

from apps.accounts import lockout
from apps.accounts.metrics import LOGINS_REFUSED
from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce
from apps.contract import ErrorCode, Refusal


class LoginRefused(Refusal):
    """No login. `code` is invalid_credentials, or rate_limited after too many failures.

    `wait` is how many seconds the lock-out will last, None without one.
    """

    def __init__(self, code: ErrorCode, detail: str, *, wait: int | None = None) -> None:
        super().__init__(code, detail)
        self.wait = wait
        LOGINS_REFUSED.labels(code).inc()

    @classmethod
    def wrong(cls) -> Self:
        return cls(ErrorCode.INVALID_CREDENTIALS, "The username or the password is wrong.")

    @classmethod
    def locked_out(cls, *, wait: int) -> Self:
        unit = f"{wait} s" if wait < 120 else f"{-(-wait // 60)} minutes"
        detail = f"Too many failed logins. Try again in {unit}."
        return cls(ErrorCode.RATE_LIMITED, detail, wait=wait)


def log_in(request: HttpRequest, *, username: str, password: str) -> User:
    """The user of these credentials, or `LoginRefused`, which does not say what was wrong."""
    user = authenticate(request, username=username, password=password)
    if isinstance(user, User):
        return user
    if not getattr(request, "axes_locked_out", False):
        raise LoginRefused.wrong()
    # Axes counts the failure that locks out; while locked out it counts none.
    if getattr(request, "axes_failures_since_start", None) is not None:
        announce(AccountChange.LOCKED_OUT, username=username, address=client_address(request))
    wait = lockout.seconds_left(network=client_network(request), username=username)
    raise LoginRefused.locked_out(wait=wait)


def client_address(request: HttpRequest) -> str | None:
    """The client's IP address as the server in front reported it, or None."""
    reported = request.META.get("REMOTE_ADDR", "").partition("%")[0]
    try:
        return str(ip_address(reported))
    except ValueError:
        return None


def client_network(request: HttpRequest) -> str | None:
    """What one customer has: an IPv4 address, or the first of an IPv6 /64 network; or None."""
    address = client_address(request)
    if address is None or not isinstance(ip_address(address), IPv6Address):
        return address
    return str(ip_network((address, 64), strict=False).network_address)
