from django.apps import AppConfig


class CameraSessionsConfig(AppConfig):
    name = "apps.camera_sessions"
    label = "camera_sessions"
    verbose_name = "camera sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.camera_sessions import account_changes  # noqa: F401
