"""Changing a password, and resetting a forgotten one by a mailed link."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm
from django.contrib.auth.views import (
    PasswordChangeView,
    PasswordResetConfirmView,
    PasswordResetDoneView,
    PasswordResetView,
)
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from apps.accounts.browser_logins import login_id
from apps.accounts.emails import RedirectThenSend
from apps.accounts.forms import (
    ChangePasswordForm,
    ForgottenPasswordForm,
    ResetPasswordForm,
    SetPassword,
)
from apps.accounts.logins import client_address, client_network
from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce, other_logins_ended
from apps.accounts.throttling import HourlyLimit

TOO_MANY = "Too many requests. Try again in an hour."


class ChangePassword(PasswordChangeView):
    """Changes the password; logins elsewhere end, this one goes on."""

    template_name = "accounts/password.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("password")

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        del kwargs["user"]
        return {**kwargs, "request": self.request}

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            kept = login_id(self.request)
            other_logins_ended.send(sender=User, user=form.user, kept=kept)
        announce(
            AccountChange.PASSWORD_CHANGED,
            username=form.user.get_username(),
            actor=form.user,
            address=client_address(self.request),
        )
        messages.success(self.request, "Your password is changed. Other devices are signed out.")
        return response


class ForgottenPassword(PasswordResetView):
    """Mails a link to set a new password; the reply is the same whether there is an account."""

    template_name = "accounts/password_reset.html"
    form_class = ForgottenPasswordForm
    success_url = reverse_lazy("password-reset-sent")

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        limit = HourlyLimit(kind="password_reset", requests=settings.PASSWORD_RESETS_PER_HOUR)
        network = client_network(self.request)
        if not limit.allows(f"from {network}", f"to {form.cleaned_data['email']}"):
            form.add_error(None, TOO_MANY)
            return self.render_to_response(self.get_context_data(form=form), status=429)
        form.save(request=self.request, use_https=self.request.is_secure())
        emails = form.emails if isinstance(form, ForgottenPasswordForm) else []
        return RedirectThenSend(str(self.success_url), emails=emails)


class ForgottenPasswordSent(PasswordResetDoneView):
    """What to do next."""

    template_name = "accounts/password_reset_sent.html"


@method_decorator(never_cache, name="dispatch")
class ResetPassword(PasswordResetConfirmView):
    """Sets a new password by the mailed link, once."""

    template_name = "accounts/password_reset_confirm.html"
    form_class = ResetPasswordForm
    success_url = reverse_lazy("login")

    def form_valid(self, form: SetPassword) -> HttpResponse:
        response = super().form_valid(form)
        announce(
            AccountChange.PASSWORD_RESET,
            username=form.user.get_username(),
            actor=form.user,
            address=client_address(self.request),
        )
        messages.success(self.request, "Your new password is set. Sign in with it.")
        return response
