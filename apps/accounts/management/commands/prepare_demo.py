"""`manage.py prepare_demo`: what quickstart.sh needs done before it starts anything.

One process, as each start of Django takes a second of a newcomer's time.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection


class Command(BaseCommand):
    help = (
        "Brings the database up to date, collects static files, and makes the demo's users "
        "(see create_demo_users), whose passwords it prints."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            call_command("collectstatic", interactive=False, verbosity=0)
            call_command("create_demo_users", stdout=self.stdout)
        except DatabaseError as error:
            raise CommandError(_unusable(str(connection.settings_dict["NAME"]), error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or 'A file'}: {error.strerror}.") from error


def _unusable(name: str, error: DatabaseError) -> str:
    problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return (
        f"The database can't be used ({problem}): {name}. Make room if the disk is full; a damaged "
        "one is restored from a backup, or moved away, and an empty one takes its place."
    )
