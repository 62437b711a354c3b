"""Making an account: registration with a mailed link, and invitations."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core.mail import EmailMessage
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView, View

from apps.accounts.emails import RedirectThenSend, compose_email
from apps.accounts.forms import InvitationForm, RegistrationForm
from apps.accounts.invitations import accept_invitation, find_open_invitation
from apps.accounts.logins import client_address, client_network
from apps.accounts.models import User
from apps.accounts.registration import confirm, confirmation_tokens, register, user_to_confirm
from apps.accounts.throttling import HourlyLimit
from apps.accounts.views.passwords import TOO_MANY
from apps.contract import ErrorCode, Refusal

if TYPE_CHECKING:
    RegistrationView = FormView[RegistrationForm]
    InvitationView = FormView[InvitationForm]
else:
    RegistrationView = InvitationView = FormView

LOGIN_BACKEND = "django.contrib.auth.backends.ModelBackend"


class RegistrationAllowed(View):
    """404 unless ALLOW_REGISTRATION."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.ALLOW_REGISTRATION:
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class Register(RegistrationAllowed, RegistrationView):
    """Takes an e-mail address and a password, and mails a link that opens the account."""

    template_name = "accounts/register.html"
    form_class = RegistrationForm

    def form_valid(self, form: RegistrationForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        limit = HourlyLimit(kind="registration", requests=settings.REGISTRATIONS_PER_HOUR)
        if not limit.allows(f"from {client_network(self.request)}", f"to {email}"):
            form.add_error(None, TOO_MANY)
            return self.render_to_response(self.get_context_data(form=form), status=429)
        user = register(
            email,
            password=form.cleaned_data["password"],
            address=client_address(self.request),
        )
        mail = _about_registration(self.request, email=email, user=user)
        return RedirectThenSend(reverse("register-sent"), emails=[mail])


class RegisterSent(RegistrationAllowed, TemplateView):
    """What to do next."""

    template_name = "accounts/register_sent.html"


@method_decorator(never_cache, name="dispatch")
class ConfirmRegistration(RegistrationAllowed):
    """`GET` shows a form, `POST` opens the account: mail scanners follow links, and open none."""

    def get(self, request: HttpRequest, user_key: str, token: str) -> HttpResponse:
        user = user_to_confirm(user_key, token)
        status = 200 if user else 410
        return render(request, "accounts/confirm.html", {"account": user}, status=status)

    def post(self, request: HttpRequest, user_key: str, token: str) -> HttpResponse:
        user = user_to_confirm(user_key, token)
        if user is not None and not user.check_password(request.POST.get("password", "")):
            # Somebody else may have registered this mailbox's address, with a password of theirs.
            context = {"account": user, "wrong": True}
            return render(request, "accounts/confirm.html", context, status=400)
        if user is None or not confirm(user, address=client_address(request)):
            return render(request, "accounts/confirm.html", {"account": None}, status=410)
        messages.success(request, "Your account is open. Sign in with your e-mail address.")
        return redirect("login")


@method_decorator(never_cache, name="dispatch")
class AcceptInvitation(InvitationView):
    """Makes an account for somebody invited, and logs in."""

    template_name = "accounts/invitation.html"
    form_class = InvitationForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.invitation = find_open_invitation(kwargs["token"])
        if self.invitation is None:
            return render(request, "accounts/invitation_over.html", status=410)
        return super().dispatch(request, *args, **kwargs)

    def get_initial(self) -> dict[str, Any]:
        return {"email": self.invitation.email if self.invitation else ""}

    def form_valid(self, form: InvitationForm) -> HttpResponse:
        answers = form.cleaned_data
        try:
            user = accept_invitation(
                self.kwargs["token"],
                username=answers["username"],
                password=answers["password"],
                email=answers["email"],
                address=client_address(self.request),
            )
        except Refusal as refusal:
            if refusal.code is not ErrorCode.USERNAME_TAKEN:
                return render(self.request, "accounts/invitation_over.html", status=410)
            form.add_error("username", refusal.detail)
            return self.form_invalid(form)
        login(self.request, user, backend=LOGIN_BACKEND)
        return redirect("home")


def _about_registration(request: HttpRequest, *, email: str, user: User | None) -> EmailMessage:
    """The e-mail with the link, or one that the address has an account already."""
    if user is None:
        urls = {
            "login_url": request.build_absolute_uri(reverse("login")),
            "reset_url": request.build_absolute_uri(reverse("password-reset")),
        }
        return compose_email("registered_before", to=email, context=urls)
    user_key = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("register-confirm", args=[user_key, confirmation_tokens.make_token(user)])
    context = {"url": request.build_absolute_uri(path), "hours": settings.MAIL_LINK_HOURS}
    return compose_email("confirm_registration", to=email, context=context)
