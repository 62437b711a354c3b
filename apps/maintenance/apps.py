"""The commands of `manage.py` for people who keep the platform running."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """Commands only: no models, no routes."""

    name = "apps.maintenance"
    label = "maintenance"
