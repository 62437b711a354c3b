"""`manage.py create_operator`: somebody who may use the console, on a new installation."""

import json
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import User


class Command(BaseCommand):
    help = (
        "Creates a superuser with a random password and prints it once. Does nothing where there "
        "is an active superuser already, so it may be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="operator")
        parser.add_argument("--json", action="store_true", help="print a JSON object instead")

    def handle(self, *args: Any, username: str, json: bool, **options: Any) -> None:
        password = None
        existing = User.objects.filter(is_superuser=True, is_active=True).first()
        if existing is None:
            password = secrets.token_urlsafe(15)
            _create(username, password=password)
        else:
            username = existing.get_username()
        if json:
            self.stdout.write(_as_json(username, password))
        elif password is None:
            self.stdout.write(
                f"operator {username}: exists, password unchanged; changepassword sets another"
            )
        else:
            self.stdout.write(f"operator {username}: password {password}")


def _create(username: str, *, password: str) -> None:
    user = User(username=username, is_staff=True, is_superuser=True)
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(
            f"{username}: {' '.join(error.messages)} Give another name, or this user a new "
            "password by changepassword."
        ) from error
    user.save()


def _as_json(username: str, password: str | None) -> str:
    return json.dumps({"username": username, "password": password})
