"""`manage.py purge_records`: forgets what is too old to keep."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from apps.console import audit
from apps.console.models import Kind
from apps.maintenance.command import MaintenanceCommand, argument_type
from apps.maintenance.durations import format_duration, parse_duration
from apps.maintenance.records import KINDS, RecordKind


class Command(MaintenanceCommand):
    help = (
        "Deletes the records of camera sessions that ended longer ago than given, audit entries "
        "and unconfirmed registrations as old, and login sessions that have expired. Sessions "
        "that go on are never touched. The audit keeps that it was done."
    )
    examples = """\
  manage.py purge_records --older-than 30d --dry-run
  manage.py purge_records --older-than 30d
  0 4 * * *  manage.py purge_records --older-than 90d --json    (in a crontab)"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=argument_type(parse_duration),
            required=True,
            metavar="DURATION",
            help="such as 30d or 12h",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        span: timedelta = options["older_than"]
        dry = options["dry_run"]
        counts = {kind.name: self._purge(kind, span=span, dry=dry) for kind in KINDS}
        if not dry and any(counts.values()):
            deleted = ", ".join(f"{counts[kind.name]} {kind.title}" for kind in KINDS)
            audit.record(
                Kind.RECORDS_PURGED, detail=f"older than {format_duration(span)}: {deleted}"
            )
        if options["json"]:
            self.write_json({"dry_run": dry, **counts})
            return
        verb = "Would delete" if dry else "Deleted"
        for kind in KINDS:
            self.stdout.write(f"{verb} {counts[kind.name]} {kind.title}.")

    def _purge(self, kind: RecordKind, *, span: timedelta, dry: bool) -> int:
        before = timezone.now() - span
        there = kind.count(before)
        if dry:
            return there
        total = 0
        with self.progress(there, f"{kind.title} deleted") as progress:
            while deleted := kind.purge(before):
                total += deleted
                progress.add(deleted)
        return total
