"""The operators' console."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    """Console and audit."""

    name = "apps.console"
    label = "console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what is written into the audit, and make the groups after a migration."""
        from apps.console import audit
        from apps.console.groups import ensure_groups

        audit.listen()
        post_migrate.connect(ensure_groups, sender=self)
