from django.urls import path

from apps.accounts.views import logins, passwords, profile, sign_up

urlpatterns = [
    path("login", logins.Login.as_view(), name="login"),
    path("logout", logins.Logout.as_view(), name="logout"),
    path("account", profile.Profile.as_view(), name="account"),
    path("account/password", passwords.ChangePassword.as_view(), name="password"),
    path("account/delete", profile.DeleteAccount.as_view(), name="account-delete"),
    path("password-reset", passwords.ForgottenPassword.as_view(), name="password-reset"),
    path(
        "password-reset/sent", passwords.ForgottenPasswordSent.as_view(), name="password-reset-sent"
    ),
    path(
        "password-reset/<uidb64>/<token>",
        passwords.ResetPassword.as_view(),
        name="password-reset-confirm",
    ),
    path("register", sign_up.Register.as_view(), name="register"),
    path("register/sent", sign_up.RegisterSent.as_view(), name="register-sent"),
    path(
        "register/confirm/<user_key>/<token>",
        sign_up.ConfirmRegistration.as_view(),
        name="register-confirm",
    ),
    path("invitation/<token>", sign_up.AcceptInvitation.as_view(), name="invitation"),
]
