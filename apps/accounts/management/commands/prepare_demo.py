"""`manage.py prepare_demo`: what quickstart.sh needs done before it starts anything.

One process, as each start of Django takes a second of a newcomer's time.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Brings the database up to date, collects static files, and makes the demo's users "
        "(see create_demo_users), whose passwords it prints."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("create_demo_users", stdout=self.stdout)
