"""`manage.py backup_database`: the whole database in one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from apps.maintenance.command import MaintenanceCommand
from apps.maintenance.database_copies import CopyFailed, back_up


class Command(MaintenanceCommand):
    help = (
        "Copies the database to a new file while the platform runs. It has the accounts, so keep "
        "it as safe as the database. PostgreSQL needs pg_dump, not older than the server. The way "
        "back: restore_database."
    )
    examples = """\
  manage.py backup_database /var/lib/qwencam/backups/monday"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the new file")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"].absolute()
        try:
            back_up(connection.settings_dict, to=file)
        except CopyFailed as error:
            raise CommandError(str(error)) from error
        size = file.stat().st_size
        if options["json"]:
            self.write_json({"file": str(file), "bytes": size})
        else:
            self.stdout.write(f"Backed up to {file} ({size} bytes).")
