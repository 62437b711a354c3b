"""`manage.py end_sessions`: ends live sessions, whichever process holds them, at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import (
    MAX_NOTE_CHARS,
    CameraSession,
    CameraSessionQuerySet,
    EndReason,
)
from apps.maintenance.command import MaintenanceCommand, argument_type
from apps.maintenance.durations import parse_idle_seconds
from apps.maintenance.user_lookup import get_user_or_fail


class Command(MaintenanceCommand):
    help = (
        "Ends camera sessions. Their pages are told at once, with the note; their tokens are dead."
    )
    examples = """\
  manage.py end_sessions --user ada --note "Please take a break."
  manage.py end_sessions --idle 30m
  manage.py end_sessions 3f0c2f6e-8a51-4c1e-9d25-5a0f0c3f7a10
  manage.py end_sessions --all --note "We restart at noon." """.rstrip()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "ids",
            nargs="*",
            type=argument_type(_session_id),
            metavar="ID",
            help="a session's id, as list_sessions shows it",
        )
        parser.add_argument("--user", metavar="NAME", help="all sessions of this user")
        parser.add_argument("--all", action="store_true", help="all sessions of everybody")
        parser.add_argument(
            "--idle",
            type=argument_type(parse_idle_seconds),
            metavar="SECONDS",
            help="sessions not used for so long: seconds, or a duration such as 30m",
        )
        parser.add_argument(
            "--note",
            type=argument_type(_note),
            default="",
            metavar="TEXT",
            help=f"a sentence that their users see ({MAX_NOTE_CHARS} characters at most)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sessions = self._chosen(**options)
        with self.progress(sessions.count(), "sessions ended") as progress:
            ended = lifecycle.end_sessions(
                sessions,
                reason=EndReason.OPERATOR,
                note=options["note"],
                after_each=progress.add,
            )
        if options["json"]:
            self.write_json({"ended": [str(pk) for pk in ended]})
        elif ended:
            self.stdout.write(f"Ended {len(ended)} session{'s' if len(ended) > 1 else ''}.")
        if not ended:
            raise CommandError("No live session matched.")

    def _chosen(
        self,
        *,
        ids: list[UUID],
        user: str | None,
        all: bool,
        idle: timedelta | None,
        **_: Any,
    ) -> CameraSessionQuerySet:
        """Return the sessions asked for that have not ended."""
        if bool(ids) + bool(user) + all + (idle is not None) != 1:
            raise CommandError(
                "Say which sessions: ids, --user NAME, --idle SECONDS or --all; one of them.",
                returncode=2,
            )
        sessions = CameraSession.objects.unended()
        if user:
            return sessions.of(get_user_or_fail(user))
        if idle is not None:
            return sessions.idle(now=timezone.now(), idle_seconds=idle.total_seconds())
        return sessions.filter(pk__in=ids) if ids else sessions


def _session_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no session id; list_sessions shows them.") from error


def _note(text: str) -> str:
    note = text.strip()
    if len(note) > MAX_NOTE_CHARS:
        raise ValueError(f"The note has {len(note)} characters; {MAX_NOTE_CHARS} are the most.")
    if not note.isprintable():
        raise ValueError("The note must be one line without control characters.")
    return note
