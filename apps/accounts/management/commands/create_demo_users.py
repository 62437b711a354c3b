"""`manage.py create_demo_users`: an operator and a demo user, for trying the platform out."""

import json
import os
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.demo import DemoUser, ensure_demo_users


class Command(BaseCommand):
    help = (
        "Creates the user 'operator' (staff) and the demo user (DEMO_USER, default 'demo'; "
        "DEMO_PASSWORD, default random) unless they exist, and prints new passwords once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON list instead")

    def handle(self, *args: Any, **options: Any) -> None:
        username = os.environ.get("DEMO_USER") or "demo"
        password = os.environ.get("DEMO_PASSWORD") or None
        try:
            users = ensure_demo_users(username=username, password=password)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps([asdict(user) for user in users]))
            return
        for user in users:
            self.stdout.write(_line(user))


def _line(user: DemoUser) -> str:
    kind = "operator" if user.operator else "user"
    if user.password is None:
        another = "manage.py changepassword sets another"
        return f"{kind} {user.username}: exists, password unchanged; {another}"
    return f"{kind} {user.username}: password {user.password}"
