from django.urls import path

import apps.camera_sessions.schema  # noqa: F401 # Tells the schema of our ways to authenticate.
from apps.camera_sessions.pages import end_own_session, own_sessions
from apps.camera_sessions.views import RefreshView, SessionView, TokenView

urlpatterns = [
    path("api/token", TokenView.as_view(), name="token"),
    path("api/token/refresh", RefreshView.as_view(), name="token-refresh"),
    path("api/session", SessionView.as_view(), name="session"),
    path("account/sessions", own_sessions, name="account-sessions"),
    path("account/sessions/<uuid:session_id>/end", end_own_session, name="account-session-end"),
]
