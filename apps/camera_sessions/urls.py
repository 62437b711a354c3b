from django.urls import path

from apps.camera_sessions.views import RefreshView, SessionView, TokenView

urlpatterns = [
    path("api/token", TokenView.as_view(), name="token"),
    path("api/token/refresh", RefreshView.as_view(), name="token-refresh"),
    path("api/session", SessionView.as_view(), name="session"),
]
