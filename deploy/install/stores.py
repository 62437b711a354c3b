"""``python -m deploy.install.stores``: can DATABASE_URL and REDIS_URL be used? For ``install.sh``.

It asks before either is written down, as the services' user. A problem is one sentence without any
password, and exit status 1.
"""

import os
import sys
from pathlib import Path
from typing import Any, Final

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from redis import Redis, RedisError

from qwencam_site import environment

ANSWER_SECONDS: Final = 10


class Unusable(Exception):
    """The database or the Redis can't be used; the message is a sentence."""


def check_database() -> None:
    """Connect, and look whether tables may be made.

    Raises:
        Unusable: one of both is not possible.
    """
    try:
        settings.configure(DATABASES={"default": _database()})
        django.setup()
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                _check_folder(Path(connection.settings_dict["NAME"]).parent)
                cursor.execute("SELECT count(*) FROM sqlite_master")
                return
            cursor.execute("SELECT has_schema_privilege(current_schema(), 'CREATE')")
            (allowed,) = cursor.fetchone()
    except (DatabaseError, ImproperlyConfigured) as error:
        raise Unusable(f"DATABASE_URL can't be used: {_first_line(error)}") from error
    if not allowed:
        raise Unusable(
            "DATABASE_URL names a user who may not make tables there: make it the owner."
        )


def _database() -> dict[str, Any]:
    found = environment.database("DATABASE_URL", "")
    if not found.get("NAME"):
        raise Unusable("DATABASE_URL names no database: postgres://user:password@host:5432/name.")
    if str(found["ENGINE"]).endswith("postgresql"):
        found.setdefault("OPTIONS", {}).setdefault("connect_timeout", ANSWER_SECONDS)
    return found


def _check_folder(folder: Path) -> None:
    if not os.access(folder, os.W_OK):
        raise Unusable(f"DATABASE_URL names a folder that the services can't write: {folder}.")


def check_redis(url: str) -> None:
    """Ask a Redis for a sign of life.

    Raises:
        Unusable: it gives none.
    """
    seconds = ANSWER_SECONDS
    try:
        with Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise Unusable(f"REDIS_URL can't be used: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def main() -> None:
    """Check both.

    Raises:
        SystemExit: one can't be used, with a sentence.
    """
    try:
        check_database()
        if url := os.environ.get("REDIS_URL"):
            check_redis(url)
    except Unusable as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
