"""Values that replace the environment's."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Override(models.Model):
    """A setting that was changed while the platform ran. `value` is JSON."""

    name = models.CharField(max_length=64, unique=True)
    value = models.JSONField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return self.name
