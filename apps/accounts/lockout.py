"""How failed logins are counted: django-axes in the database, so that it works without Redis.

The bound for a username is `USERNAME_LEEWAY` times looser than that for an address: a stranger
who guesses at it from one address should not be able to lock its owner out. An IPv6 address
counts as its /64 network, which is what one customer gets.
"""

from datetime import timedelta
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

USERNAME_LEEWAY = 5
MAX_USERNAME_CHARS = 255  # The length of axes' column; PostgreSQL refuses a longer text.


class LoginFailures(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Failures in the setting's terms: of an address, or the `USERNAME_LEEWAY`th of a name's."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The number that LOGIN_FAILURE_LIMIT bounds."""
        by_address, by_username = self.get_user_attempts(request, credentials)
        return max(_failures(by_address), _failures(by_username) // USERNAME_LEEWAY)


def counted_username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The name that failures are counted under: capitals make no other user of it."""
    username = (credentials or {}).get("username") or ""
    return str(username).lower()[:MAX_USERNAME_CHARS]


def seconds_left(*, network: str | None, username: str) -> int:
    """How long a lock-out that holds now will last, seconds, at least 1."""
    counted = counted_username(HttpRequest(), {"username": username})
    attempts = AccessAttempt.objects.filter(Q(ip_address=network) | Q(username=counted))
    newest = attempts.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()
    left = newest + timedelta(seconds=settings.LOGIN_LOCKOUT_SECONDS) - timezone.now()
    return max(1, ceil(left.total_seconds()))


def _failures(attempts: QuerySet[Any]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
