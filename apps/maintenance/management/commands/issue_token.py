"""`manage.py issue_token`: a camera session for a user, without the user's password."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from apps.camera_sessions import lifecycle
from apps.camera_sessions.opening import opened_session_body, session_limits
from apps.contract import Refusal
from apps.maintenance.command import MaintenanceCommand, argument_type
from apps.maintenance.user_lookup import get_user_or_fail


class Command(MaintenanceCommand):
    help = (
        "Opens a camera session for a user and prints its tokens, as POST /api/token does. "
        "Whoever has them acts as that user in that session: treat them as a password."
    )
    examples = """\
  manage.py issue_token --user ada
  token=$(manage.py issue_token --user ada --json | jq -r .access)
  manage.py issue_token --user ada --base-url https://camera.example.org"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="NAME", required=True, help="whose session it is")
        parser.add_argument(
            "--base-url",
            type=argument_type(_socket_base),
            dest="socket_base",
            default=settings.PUBLIC_URL,
            metavar="URL",
            help="where the platform is reached, for ws_url (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_or_fail(options["user"])
        if not user.is_active:
            raise CommandError(f"The user {user.get_username()!r} is disabled.")
        try:
            session = lifecycle.open_session(user, address=None, limits=session_limits())
        except Refusal as refusal:
            raise CommandError(f"{refusal.detail} ({refusal.code})") from refusal
        body = opened_session_body(session, socket_base=options["socket_base"])
        if options["json"]:
            self.write_json(body)
            return
        for name in ("session_id", "access", "refresh", "expires_in", "ws_url"):
            self.stdout.write(f"{name:<10}  {body[name]}")


def _socket_base(url: str) -> str:
    """Return scheme and host of the WebSocket of the platform at `url`."""
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"{url!r} is no address such as https://camera.example.org.")
    return f"{schemes[parts.scheme]}://{parts.netloc}"
