"""The forms of the account pages, and the login forms of the page and of the admin."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
)
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest

from apps.accounts.emails import compose_email
from apps.accounts.logins import LoginRefused, log_in
from apps.accounts.models import User

if TYPE_CHECKING:
    SetPassword = SetPasswordForm[User]
    UserForm = forms.ModelForm[User]
else:
    SetPassword = SetPasswordForm
    UserForm = forms.ModelForm

NEW_PASSWORD = {"autocomplete": "new-password"}
CURRENT_PASSWORD = {"autocomplete": "current-password"}
MAIL_ADDRESS = {"autocomplete": "email", "autocapitalize": "none", "spellcheck": "false"}
USERNAME = {
    "autocomplete": "username",
    "autocapitalize": "none",
    "autocorrect": "off",
    "spellcheck": "false",
}
PASSWORD_HELP = "At least 8 characters; not a common word, nor numbers alone."  # noqa: S105


class LoginForm(AuthenticationForm):
    """Username and password; a refusal does not disclose which of them was wrong."""

    remember = forms.BooleanField(label="Remember me on this device", required=False)

    user_cache: User | None
    refusal: LoginRefused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.update(USERNAME)

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if not username or not password or self.request is None:
            return self.cleaned_data
        try:
            user = log_in(self.request, username=username, password=password)
        except LoginRefused as refusal:
            self.refusal = refusal
            self._mark_invalid()
            raise ValidationError(refusal.detail, code=refusal.code) from refusal
        self.user_cache = user
        self.confirm_login_allowed(user)
        return self.cleaned_data

    def _mark_invalid(self) -> None:
        """Either may be the wrong one: both point at the message above them."""
        for name in ("username", "password"):
            attributes = {"aria-invalid": "true", "aria-describedby": "form-error"}
            self.fields[name].widget.attrs.update(attributes)
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["password"].widget.attrs["autofocus"] = True


class StaffLoginForm(LoginForm, AdminAuthenticationForm):
    """The same for the admin, which is for staff only."""


class NewPasswordForm(forms.Form):
    """A new password, asked for once: a password manager fills it in, or the user can show it."""

    password = forms.CharField(
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD),
        help_text=PASSWORD_HELP,
    )

    def future_user(self) -> User:
        """Whom the password must not resemble."""
        return User()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password = cleaned.get("password")
        if password:
            try:
                validate_password(password, self.future_user())
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class RegistrationForm(NewPasswordForm):
    """An e-mail address, which is the username too, and a password."""

    email = forms.EmailField(
        label="E-mail address", max_length=150, widget=forms.EmailInput(attrs=MAIL_ADDRESS)
    )
    field_order = ("email", "password")

    def future_user(self) -> User:
        email = self.cleaned_data.get("email", "")
        return User(username=email, email=email)


class InvitationForm(NewPasswordForm):
    """Username and password of somebody invited; with an e-mail address a reset is possible."""

    username = forms.CharField(
        max_length=150,
        widget=forms.TextInput(attrs=USERNAME),
        validators=[User.username_validator],
        help_text="Letters, digits and @ . + - _",
    )
    email = forms.EmailField(
        label="E-mail address",
        required=False,
        widget=forms.EmailInput(attrs=MAIL_ADDRESS),
        help_text="Optional: to set a new password should you forget it.",
    )
    field_order = ("username", "email", "password")

    def future_user(self) -> User:
        names = {name: self.cleaned_data.get(name, "") for name in ("username", "email")}
        return User(**names)


class OwnPasswordForm(forms.Form):
    """Asks for the user's own password; wrong ones count as failed logins do."""

    password = forms.CharField(
        strip=False, max_length=1024, widget=forms.PasswordInput(attrs=CURRENT_PASSWORD)
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        return proven_password(self._request, self.cleaned_data["password"])


class ChangePasswordForm(PasswordChangeForm):
    """The old password and a new one; wrong old ones count as failed logins do."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast(User, request.user), *args, **kwargs)
        self._request = request
        self.fields["old_password"].label = "Current password"
        _plain_new_password(self)

    def clean_old_password(self) -> str:
        return proven_password(self._request, self.cleaned_data["old_password"])


class ResetPasswordForm(SetPassword):
    """A new password for somebody who followed a mailed link."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain_new_password(self)


class ForgottenPasswordForm(PasswordResetForm):
    """An e-mail address; `emails` are for the accounts that have it, perhaps none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "E-mail address"
        self.fields["email"].widget.attrs.update(MAIL_ADDRESS)
        self.emails: list[EmailMessage] = []

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, Any],
        from_email: str | None,
        to_email: str,
        html_email_template_name: str | None = None,
    ) -> None:
        """Composes the e-mail only: the view sends it after its reply."""
        self.emails.append(compose_email("password_reset", to=to_email, context=context))


class ProfileForm(UserForm):
    """How the user is called, and how the model answers them."""

    class Meta:
        model = User
        fields = ("display_name", "answer_language", "answer_length")
        labels = {
            "display_name": "Display name",
            "answer_language": "Answers in",
            "answer_length": "Length of answers",
        }
        help_texts = {
            "display_name": "How the pages call you; your username if empty.",
            "answer_language": "The model is asked to; whether it can depends on the model.",
        }
        widgets = {
            "display_name": forms.TextInput(attrs={"autocomplete": "nickname"}),
            "answer_length": forms.RadioSelect,
        }


def proven_password(request: HttpRequest, password: str) -> str:
    """`password` if it is that of the request's user, or a ValidationError."""
    user = cast(User, request.user)
    try:
        log_in(request, username=user.get_username(), password=password)
    except LoginRefused as refusal:
        detail = "This is not your password." if refusal.wait is None else refusal.detail
        raise ValidationError(detail, code=refusal.code) from refusal
    return password


def _plain_new_password(form: SetPassword) -> None:
    form.fields["new_password1"].help_text = PASSWORD_HELP
    form.fields["new_password2"].label = "New password again"
    form.fields["new_password2"].help_text = ""
