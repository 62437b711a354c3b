"""How often somebody may ask for a session, or for new tokens of one."""

import logging

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from apps.accounts.logins import client_address

logger = logging.getLogger(__name__)


class TokenThrottle(SimpleRateThrottle):
    """By user for those with a login cookie, else by address. The rate is that of "token".

    While Redis is away nobody is refused: guessing at passwords is bounded by the database.
    """

    scope = "token"
    counted = "token-requests"

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return super().allow_request(request, view)
        except RedisError as error:
            logger.warning("Token requests can't be counted: %s", type(error).__name__)
            return True

    def get_cache_key(self, request: Request, view: APIView) -> str:
        if request.user.is_authenticated:
            return f"{self.counted}:user:{request.user.pk}"
        return f"{self.counted}:from:{client_address(request)}"


class RefreshThrottle(TokenThrottle):
    """The same rate again for refreshing, counted apart."""

    counted = "token-refreshes"
