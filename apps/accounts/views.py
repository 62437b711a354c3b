"""Login and logout for browsers."""

from django.contrib.auth.views import LoginView, LogoutView

from apps.accounts.forms import LoginForm


class Login(LoginView):
    """`GET` shows the form, `POST` logs in and goes on to `next` if it lies on this site."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class Logout(LogoutView):
    """`POST` only, so that no link can log anybody out."""

    http_method_names = ["post", "options"]
