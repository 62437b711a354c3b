"""How often somebody may have mail sent."""

import logging
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache
from redis.exceptions import RedisError

from apps.accounts.metrics import REQUESTS_THROTTLED

HOUR_SECONDS = 3600

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HourlyLimit:
    """So many requests of one kind an hour under each key; the hour begins with the first."""

    kind: str
    requests: int

    def allows(self, *keys: str | None) -> bool:
        """Counts a request under each key. False: too many under one of them.

        Also False while nothing can be counted: mail that nobody counts is not sent.
        """
        try:
            counts = [self._count(str(key)) for key in keys]
        except RedisError as error:
            logger.warning("A %s can't be counted: %s", self.kind, type(error).__name__)
            return False
        allowed = max(counts) <= self.requests
        if not allowed:
            REQUESTS_THROTTLED.labels(self.kind).inc()
        return allowed

    def _count(self, key: str) -> int:
        # Hashed: Redis is to hold no e-mail address.
        digest = sha256(key.lower().encode("utf-8", "surrogatepass")).hexdigest()
        name = f"hourly:{self.kind}:{digest}"
        # Only the first sets the expiry, and `incr` leaves it: the hour ends in any case.
        if cache.add(name, 1, HOUR_SECONDS):
            return 1
        try:
            return int(cache.incr(name))
        except ValueError:  # The hour ended between the two calls.
            return 1
