"""The login forms of the page and of the admin."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from apps.accounts.logins import LoginRefused, log_in
from apps.accounts.models import User


class LoginForm(AuthenticationForm):
    """Username and password; tells a wrong one from nothing else."""

    user_cache: User | None

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if not username or not password or self.request is None:
            return self.cleaned_data
        try:
            user = log_in(self.request, username=username, password=password)
        except LoginRefused as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal
        self.user_cache = user
        self.confirm_login_allowed(user)
        return self.cleaned_data


class StaffLoginForm(LoginForm, AdminAuthenticationForm):
    """The same for the admin, which is for staff only."""
