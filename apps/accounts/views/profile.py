"""What users change about their own account, and its end."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.views.generic import FormView, UpdateView

from apps.accounts.deletion import delete_account
from apps.accounts.forms import OwnPasswordForm, ProfileForm
from apps.accounts.logins import client_address
from apps.accounts.models import User

if TYPE_CHECKING:
    ProfileView = UpdateView[User, ProfileForm]
    PasswordView = FormView[OwnPasswordForm]
else:
    ProfileView, PasswordView = UpdateView, FormView


class Profile(LoginRequiredMixin, ProfileView):
    """Name, and how the model answers: in force from the next question on."""

    template_name = "accounts/profile.html"
    form_class = ProfileForm
    success_url = reverse_lazy("account")

    def get_object(self, queryset: object = None) -> User:
        # A fresh copy: a refused form must not show in the page's heading.
        return User.objects.get(pk=cast(User, self.request.user).pk)

    def form_valid(self, form: ProfileForm) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, "Saved.")
        return response


class DeleteAccount(LoginRequiredMixin, PasswordView):
    """Deletes the user's own account, given its password."""

    template_name = "accounts/delete.html"
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        user = User.objects.get(pk=cast(User, self.request.user).pk)
        logout(self.request)
        delete_account(user, address=client_address(self.request))
        messages.success(self.request, "Your account is deleted, and all that belonged to it.")
        return redirect("login")
