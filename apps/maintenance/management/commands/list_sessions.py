"""`manage.py list_sessions`: who uses the platform, and how much."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from apps.camera_sessions.listing import SessionSummary, summarize
from apps.camera_sessions.models import CameraSession, CameraSessionQuerySet
from apps.maintenance.command import MaintenanceCommand, argument_type, positive
from apps.maintenance.durations import format_duration
from apps.maintenance.tables import align_columns
from apps.maintenance.user_lookup import get_user_or_fail

_HEAD = ("ID", "USER", "ADDRESS", "STARTED (UTC)", "IDLE", "ASKED", "ANSWERED", "ERRORS", "STATE")


class Command(MaintenanceCommand):
    help = "Lists camera sessions, the newest first: those that are live, or all on record."
    examples = """\
  manage.py list_sessions
  manage.py list_sessions --user ada --all --limit 20
  manage.py list_sessions --json | jq -r '.[].id'"""

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--live", action="store_true", help="not ended (the default)")
        which.add_argument("--all", action="store_true", help="ended ones too")
        parser.add_argument("--user", metavar="NAME", help="this user's only")
        parser.add_argument(
            "--limit",
            type=argument_type(positive),
            default=100,
            metavar="N",
            help="at most so many (default: 100)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(everything=options["all"], username=options["user"])
        shown = list(
            summarize(
                chosen[: options["limit"]],
                now=timezone.now(),
                idle_seconds=settings.SESSION_IDLE_SECONDS,
            )
        )
        if options["json"]:
            self.write_json([_as_json(line) for line in shown])
            return
        self._show(shown, of=chosen.count(), everything=options["all"])

    def _show(self, shown: list[SessionSummary], *, of: int, everything: bool) -> None:
        kind = "" if everything else "live "
        if not shown:
            self.stdout.write(f"No {kind}sessions.")
            return
        head, *rows = align_columns([_HEAD, *map(_row, shown)])
        self.stdout.write(head, style_func=self.style.MIGRATE_LABEL)
        for row in rows:
            self.stdout.write(row)
        rest = f" of {of}; --limit shows more" if of > len(shown) else ""
        self.stdout.write(f"{len(shown)} {kind}session{'s' if len(shown) > 1 else ''}{rest}")


def _chosen(*, everything: bool, username: str | None) -> CameraSessionQuerySet:
    sessions = CameraSession.objects.all()
    if username is not None:
        sessions = sessions.of(get_user_or_fail(username))
    if not everything:
        idle_seconds = settings.SESSION_IDLE_SECONDS
        sessions = sessions.live(now=timezone.now(), idle_seconds=idle_seconds)
    return sessions


def _row(line: SessionSummary) -> tuple[str, ...]:
    return (
        str(line.id),
        line.user or "(anonymous)",
        line.address or "-",
        f"{line.started_at:%Y-%m-%d %H:%M:%S}",
        format_duration(timedelta(seconds=line.idle_seconds)),
        str(line.questions),
        str(line.answers),
        str(line.errors),
        f"{line.state}: {line.end_reason}" if line.end_reason else line.state,
    )


def _as_json(line: SessionSummary) -> dict[str, object]:
    return {**asdict(line), "id": str(line.id), "started_at": line.started_at.isoformat()}
