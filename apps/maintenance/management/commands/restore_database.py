"""`manage.py restore_database`: the database as a file of `backup_database` has it."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection, connections

from apps.maintenance.command import MaintenanceCommand
from apps.maintenance.database_copies import CopyFailed, check, restore


class Command(MaintenanceCommand):
    help = (
        "Replaces the whole database by a file that backup_database wrote, or changes nothing and "
        "says why. Stop web, worker and scheduler first; run migrate afterwards where the file is "
        "of an older version."
    )
    examples = """\
  manage.py restore_database /var/lib/qwencam/backups/monday && manage.py migrate"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what backup_database has written")
        parser.add_argument(
            "--check", action="store_true", help="look whether it could be, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"].absolute()
        connections.close_all()  # One of our own could hold a lock.
        act = check if options["check"] else restore
        try:
            act(connection.settings_dict, copy=file)
        except CopyFailed as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.write_json({"checked" if options["check"] else "restored": str(file)})
        elif options["check"]:
            self.stdout.write(f"{file} is whole.")
        else:
            self.stdout.write(f"Restored from {file}.")
