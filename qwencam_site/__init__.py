"""QwenCam: project package. Holds settings, entry points and what composes the apps."""

from qwencam_site.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
