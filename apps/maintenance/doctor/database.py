"""Checks of the database, and of the scheduler, whose work shows there."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.camera_sessions.models import CameraSession
from apps.maintenance.doctor.findings import Check, Finding, failed, ok, skipped, warning

OLDEST_POSTGRESQL: Final = (14, 0)  # Django 5.2's own
OVERDUE: Final = timedelta(seconds=120)  # Four of the scheduler's rounds.
_UNREACHABLE: Final = "The database can't be asked."
_MOST_NAMED: Final = 3


def database_checks() -> list[Check]:
    """The checks of the default database."""
    return [
        Check(group="Database", name="database", run=check_database, concurrent=True),
        Check(group="Database", name="migrations", run=check_migrations, concurrent=True),
        Check(group="Workers", name="scheduler", run=check_scheduler, concurrent=True),
    ]


def check_database() -> Finding:
    """Does it answer, and is it one to rely on?"""
    if _is_unmade():
        return failed(
            f"SQLite in {connection.settings_dict['NAME']}, which does not exist yet.",
            mend="Run manage.py migrate, or correct DATABASE_URL.",
        )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if connection.vendor == "sqlite":
            return check_sqlite_file(Path(connection.settings_dict["NAME"]))
        return judge_postgresql(connection.get_database_version())
    except DatabaseError as error:
        return failed(
            f"It can't be used: {error}",
            mend="Start the database server, or correct DATABASE_URL.",
        )


def _is_unmade() -> bool:
    """Whether the SQLite file is missing: connecting would make an empty one."""
    name = str(connection.settings_dict["NAME"])
    in_memory = ":memory:" in name or "mode=memory" in name
    return connection.vendor == "sqlite" and not in_memory and not Path(name).is_file()


def judge_postgresql(version: tuple[int, ...]) -> Finding:
    """Is that version of PostgreSQL one that Django supports?"""
    found = f"PostgreSQL {'.'.join(map(str, version))}"
    if version < OLDEST_POSTGRESQL:
        return failed(found, mend=f"Upgrade PostgreSQL to {OLDEST_POSTGRESQL[0]} or newer.")
    return ok(found)


def check_sqlite_file(path: Path) -> Finding:
    """Can this process write the file, and beside it, where SQLite keeps its journal?"""
    if not path.is_file():
        return ok("SQLite in memory")
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return failed(
            f"SQLite in {path}, which can't be written.",
            mend="Make the file and its folder writable for the platform's user.",
        )
    return ok(f"SQLite in {path}, writable")


def check_migrations() -> Finding:
    """Are the tables as this version wants them?"""
    if _is_unmade():
        return skipped(_UNREACHABLE)
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return skipped(_UNREACHABLE)
    names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
    if names:
        more = len(names) - _MOST_NAMED
        listed = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return failed(f"Not applied: {listed}", mend="Run manage.py migrate.")
    return ok("all applied")


def check_scheduler(now: datetime | None = None) -> Finding:
    """Are idle sessions ended? That is the scheduler's work, every 30 s."""
    if _is_unmade():
        return skipped(_UNREACHABLE)
    try:
        overdue = CameraSession.objects.idle(
            now=(now or timezone.now()) - OVERDUE, idle_seconds=settings.SESSION_IDLE_SECONDS
        ).count()
    except DatabaseError:
        return skipped(_UNREACHABLE)
    if overdue:
        return warning(
            f"{overdue} idle session{'s are' if overdue > 1 else ' is'} overdue.",
            mend="Start scheduler and worker: DEPLOY.md has celery's command lines.",
        )
    return ok("no idle session is overdue")
