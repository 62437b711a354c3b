"""Settings that an administrator changes while the platform runs."""

from django.apps import AppConfig


class LiveSettingsConfig(AppConfig):
    """The leaf that holds them; everything above reads from here."""

    name = "apps.live_settings"
    label = "live_settings"
    verbose_name = "live settings"
    default_auto_field = "django.db.models.BigAutoField"
