"""How often somebody may ask for a session."""

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from apps.accounts.logins import client_address


class TokenThrottle(SimpleRateThrottle):
    """By user for those with a login cookie, else by address. The rate is that of "token"."""

    scope = "token"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        if request.user.is_authenticated:
            return f"token-requests:user:{request.user.pk}"
        return f"token-requests:from:{client_address(request)}"
