"""Login and logout for browsers."""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.accounts.forms import LoginForm

logger = logging.getLogger(__name__)


class Login(LoginView):
    """`GET` shows the form, `POST` logs in and goes on to `next` if it lies on this site.

    Locked out is 429 with Retry-After.
    """

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(allow_registration=settings.ALLOW_REGISTRATION, **context)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if form.cleaned_data["remember"]:
            self.request.session.set_expiry(settings.SESSION_COOKIE_AGE)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        refusal = form.refusal if isinstance(form, LoginForm) else None
        if refusal is not None and refusal.wait is not None:
            response.status_code = 429
            response["Retry-After"] = str(refusal.wait)
        return response


class Logout(LogoutView):
    """`POST` only, so that no link can log anybody out.

    Ends the camera sessions of this login too. Where that fails the login stays as well, with 503:
    nobody may believe to be signed out while a camera still streams.
    """

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except DatabaseError as error:
            logger.error("A login could not be ended: %s", type(error).__name__)
        # Without the request: the usual context needs the database, which is away.
        return HttpResponse(render_to_string("accounts/still_signed_in.html"), status=503)
