"""Keeps pages and replies out of every cache: most depend on who is logged in, and that changes."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class NoStoreMiddleware(MiddlewareMixin):
    """Adds `no-store` to each reply without a `Cache-Control` of its own; static files have one.

    First in the list of middleware, so that the refusals and errors of the others have it too.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response
