"""Keeps pages and replies out of every cache: most depend on who is logged in, and that changes."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class NoStoreMiddleware(MiddlewareMixin):
    """Adds `no-store` to what says nothing of caching itself, as static files do.

    Before all others in the list, so that their refusals and errors have it too.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response
