"""Tries to change the audit past Django, on the database that DATABASE_URL names.

Prints what came of each attempt as JSON. A process of its own, since it migrates back and forth.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
sys.path.insert(0, str(Path(__file__).parents[3]))

import django

django.setup()

from django.core.management import CommandError, call_command  # noqa: E402
from django.db import DatabaseError, connection  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.console import audit  # noqa: E402
from apps.console.models import AuditEntry, AuditPurge, Kind  # noqa: E402

TABLE = AuditEntry._meta.db_table
NOW = datetime.now(UTC)


def outcome(attempt: Callable[[], object]) -> str:
    """What an attempt raised, in its first line."""
    try:
        attempt()
    except (CommandError, DatabaseError) as error:
        cause = error.__cause__ or error
        return str(cause).splitlines()[0]
    return "done"


def sql(statement: str) -> str:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return outcome(run)


def permit(*, before: datetime, age: timedelta = timedelta(0)) -> None:
    """A permit as somebody may leave it behind, committed."""
    AuditPurge.objects.create(before=before, made=NOW - age)


def forged_permits() -> Iterator[tuple[str, object]]:
    """Permits that permit nothing."""
    permit(before=datetime.now(UTC) + timedelta(days=1))
    yield "delete with a permit for the future", sql(f"DELETE FROM {TABLE}")
    AuditPurge.objects.all().delete()
    if connection.vendor == "sqlite":
        permit(before=NOW, age=timedelta(minutes=2))
        permit(before=NOW, age=timedelta(days=-1))
    else:
        permit(before=NOW)
    yield "delete with a permit left behind", sql(f"DELETE FROM {TABLE} WHERE subject = 'old'")
    AuditPurge.objects.all().delete()


def lesser_role() -> Iterator[tuple[str, object]]:
    """What a role tries that may delete entries but write no permits."""
    if connection.vendor == "sqlite":
        return
    permits = AuditPurge._meta.db_table
    for statement in (
        "CREATE ROLE lesser",
        f"GRANT SELECT, DELETE, TRUNCATE ON {TABLE} TO lesser",
        f"GRANT SELECT ON {permits} TO lesser",
        "SET ROLE lesser",
        f"CREATE TEMP TABLE {permits} (before timestamptz)",
        f"INSERT INTO {permits} VALUES ('infinity'), (now())",
        f"CREATE TEMP TABLE {TABLE} ()",
    ):
        assert sql(statement) == "done", statement
    yield "delete by a permit of its own", sql(f"DELETE FROM public.{TABLE}")
    yield "truncate behind a table of its own", sql(f"TRUNCATE public.{TABLE}")
    for statement in ("RESET ROLE", f"DROP TABLE pg_temp.{permits}, pg_temp.{TABLE}"):
        assert sql(statement) == "done", statement


def command(*arguments: str) -> str:
    return outcome(lambda: call_command(*arguments, stdout=StringIO(), verbosity=0))


def subjects() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("subject", flat=True))


def story() -> Iterator[tuple[str, object]]:
    """What was tried, and what came of it."""
    call_command("migrate", verbosity=0)
    gone = User.objects.create_user("gone")
    for subject, age in (("old", 40), ("older", 41), ("young", 1)):
        AuditEntry.objects.create(kind=Kind.LOGIN, subject=subject, at=NOW - timedelta(days=age))
    audit.record(Kind.LOGIN, actor=gone, subject="gone")
    gone.delete()
    yield "update", sql(f"UPDATE {TABLE} SET subject = 'forged'")
    yield "delete", sql(f"DELETE FROM {TABLE}")
    yield "delete one", sql(f"DELETE FROM {TABLE} WHERE subject = 'young'")
    (first,) = AuditEntry.objects.filter(subject="old").values_list("pk", flat=True)
    replace = (
        "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT",
        f"INTO {TABLE} (id, at, kind, actor, subject, detail) "
        f"VALUES ({first}, '2026-01-01 00:00:00+00:00', 'login', '', 'forged', '')",
        ""
        if connection.vendor == "sqlite"
        else "ON CONFLICT (id) DO UPDATE SET subject = 'forged'",
    )
    yield "replace", sql(" ".join(replace))
    yield "truncate", sql(f"TRUNCATE {TABLE}") if connection.vendor == "postgresql" else None
    yield "flush", command("flush", "--no-input")
    yield from forged_permits()
    yield from lesser_role()
    yield "kept", subjects()
    yield "purge", command("purge_records", "--older-than", "30d")
    yield "after the purge", subjects()[:2]
    yield "permits left", AuditPurge.objects.count()
    yield "delete afterwards", sql(f"DELETE FROM {TABLE}")
    yield "back", command("migrate", "console", "0003")
    yield "delete without triggers", sql(f"DELETE FROM {TABLE}")
    yield "forward", command("migrate", "console")
    yield "flush of an empty audit", command("flush", "--no-input")
    audit.record(Kind.LOGIN, subject="new")
    yield "update at last", sql(f"UPDATE {TABLE} SET subject = 'forged'")


sys.stdout.write(json.dumps(dict(story())))
