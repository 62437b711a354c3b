"""`manage.py create_invitation`: a link that lets one person make an account."""

import json
from argparse import RawDescriptionHelpFormatter
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from apps.accounts.invitations import create_invitation, invitation_url

EXAMPLES = """
Prints a link for one person to make an account with, once. It begins with PUBLIC_URL.
Only its SHA-256 is stored: a lost link can't be shown again, make another.

examples:
  manage.py create_invitation
  manage.py create_invitation --email ada@example.org --days 2
  manage.py create_invitation --json | jq -r .url
"""


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="", help="whom it is for; filled in on the page")
        parser.add_argument(
            "--days",
            type=int,
            default=settings.INVITATION_DAYS,
            help="how long it is good for, 1 to 365 (default INVITATION_DAYS: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print a JSON object instead")

    def handle(self, *args: Any, email: str, days: int, json: bool, **options: Any) -> None:
        _check(email=email, days=days)
        invitation, token = create_invitation(
            actor=None, email=email, valid_for=timedelta(days=days)
        )
        url = invitation_url(settings.PUBLIC_URL, token)
        expires_at = invitation.expires_at.isoformat(timespec="seconds")
        if json:
            self.stdout.write(_as_json(url=url, email=email, expires_at=expires_at))
            return
        self.stdout.write(url)
        self.stderr.write(f"Good once, until {expires_at}.")


def _check(*, email: str, days: int) -> None:
    if not 1 <= days <= 365:
        raise CommandError("--days must be from 1 to 365.")
    if not email:
        return
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(f"--email is no e-mail address: {email}") from error


def _as_json(**facts: str) -> str:
    return json.dumps(facts)
