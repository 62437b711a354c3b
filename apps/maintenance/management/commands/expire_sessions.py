"""`manage.py expire_sessions`: what the scheduler does, once."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession
from apps.maintenance.command import MaintenanceCommand


class Command(MaintenanceCommand):
    help = (
        "Ends the sessions that nobody has used for SESSION_IDLE_SECONDS, as the scheduler does "
        "every 30 s; for hosts without one."
    )
    examples = """\
  manage.py expire_sessions
  manage.py expire_sessions --json"""

    def handle(self, *args: Any, **options: Any) -> None:
        now, idle_seconds = timezone.now(), settings.SESSION_IDLE_SECONDS
        idle = CameraSession.objects.idle(now=now, idle_seconds=idle_seconds).count()
        total = 0
        with self.progress(idle, "sessions expired") as progress:
            while ended := lifecycle.expire_idle(now, idle_seconds=idle_seconds):
                total += ended
                progress.add(ended)
        if options["json"]:
            self.write_json({"expired": total})
            return
        self.stdout.write(f"Expired {total} session{'' if total == 1 else 's'}.")
