from django.urls import path

from apps.console import views

app_name = "console"
urlpatterns = [
    path("", views.console, name="console"),
    path("api/sessions/<uuid:session_id>/end", views.end_session, name="end-session"),
    path("api/users/<int:user_id>/end-sessions", views.end_sessions, name="end-sessions"),
    path("api/settings/<slug:name>", views.setting, name="setting"),
    path("audit", views.audit_page, name="audit"),
    path("audit.csv", views.audit_csv, name="audit-csv"),
    path("invitations", views.invitations, name="invitations"),
    path("invitations/<int:pk>/withdraw", views.withdraw, name="withdraw-invitation"),
]
