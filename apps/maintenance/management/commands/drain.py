"""`manage.py drain`: accept no new sessions, or accept them again."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from apps.camera_sessions.lifecycle import count_live
from apps.live_settings.changes import change_setting
from apps.live_settings.current import refresh
from apps.live_settings.definitions import InvalidSetting
from apps.maintenance.command import MaintenanceCommand


class Command(MaintenanceCommand):
    help = (
        "Drains the platform before a restart: sessions there are go on, no new one opens. "
        "In force on all processes within two seconds, until it is switched off."
    )
    examples = """\
  manage.py drain on --notice "We restart at noon."
  manage.py drain status --json
  manage.py drain off --notice ''      (and show no notice any more)"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["on", "off", "status"])
        parser.add_argument(
            "--notice", metavar="TEXT", help="shown on every camera page; '' shows none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        what, notice = options["what"], options["notice"]
        if what == "status" and notice is not None:
            raise CommandError(
                "status changes nothing: give --notice with on or off.", returncode=2
            )
        try:
            if notice is not None:
                change_setting("notice", notice, actor=None)
            if what != "status":
                change_setting("accept_sessions", what == "off", actor=None)
        except InvalidSetting as error:
            raise CommandError(str(error), returncode=2) from error
        self._tell(as_json=options["json"])

    def _tell(self, *, as_json: bool) -> None:
        now = refresh()
        left = count_live(idle_seconds=settings.SESSION_IDLE_SECONDS)
        if as_json:
            draining = not now.accept_sessions
            self.write_json({"draining": draining, "notice": now.notice, "live_sessions": left})
            return
        self.stdout.write(
            "Accepting new sessions." if now.accept_sessions else "Draining: no new session opens."
        )
        self.stdout.write(f"Live sessions: {left}")
        self.stdout.write(f"Notice: {now.notice or 'none'}")
