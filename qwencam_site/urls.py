"""Every HTTP route: the table in the design, in its order."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

from qwencam_site import health, views
from qwencam_site.metrics import page as metrics_page

urlpatterns = [
    path("", views.home, name="home"),
    path("health", health.view, name="health"),
    path("metrics", metrics_page.view, name="metrics"),
    path("authority.crt", views.local_authority, name="local-authority"),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs", views.api_docs, name="api-docs"),
    path("", include("apps.camera_sessions.urls")),
    path("", include("apps.streaming.urls")),
    path("", include("apps.accounts.urls")),
    path("console/", include("apps.console.urls")),
    path("admin/", admin.site.urls),
]
