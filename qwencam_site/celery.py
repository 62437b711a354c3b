"""The Celery application: broker, queue and schedule come from Django's settings."""

import os

from celery import Celery

# Its receivers serve a worker's metrics.
import qwencam_site.metrics.worker  # noqa: F401

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qwencam_site.settings")

app = Celery("qwencam")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
