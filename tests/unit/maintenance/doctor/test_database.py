"""The database, its tables, and the scheduler's work."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.camera_sessions.models import CameraSession
from apps.maintenance.doctor import database as doctor
from apps.maintenance.doctor.database import (
    check_database,
    check_migrations,
    check_scheduler,
    check_sqlite_file,
    judge_postgresql,
)


def test_a_good_one(db):
    assert check_database().status == "ok"
    assert check_migrations().status == "ok"
    assert check_scheduler().status == "ok"


def test_one_that_fails(monkeypatch, db):
    class Broken:
        vendor = "postgresql"
        settings_dict = {"NAME": "x"}

        def cursor(self):
            raise OperationalError("connection refused\n")

    def broken_executor(connection):
        raise OperationalError

    monkeypatch.setattr(doctor, "connection", Broken())
    monkeypatch.setattr(doctor, "MigrationExecutor", broken_executor)
    finding = check_database()
    assert (finding.status, finding.found) == ("failed", "It can't be used: connection refused")
    assert "DATABASE_URL" in finding.mend
    assert check_migrations().status == "skipped"


def test_looking_does_not_make_a_database(monkeypatch, tmp_path):
    class Unmade:
        vendor = "sqlite"
        settings_dict = {"NAME": tmp_path / "none.sqlite3"}

    monkeypatch.setattr(doctor, "connection", Unmade())
    assert check_database().status == "failed"
    assert check_migrations().status == check_scheduler().status == "skipped"
    assert not list(tmp_path.iterdir())


def test_a_migration_that_is_missing(db):
    MigrationRecorder(connection).record_unapplied("live_settings", "0001_override")
    finding = check_migrations()
    assert finding.status == "failed"
    assert "live_settings.0001_override" in finding.found
    assert "manage.py migrate" in finding.mend


@pytest.mark.parametrize(("version", "status"), [((13, 9), "failed"), ((14, 0), "ok")])
def test_postgresql(version, status):
    assert judge_postgresql(version).status == status


def test_a_file_that_can_not_be_written(monkeypatch, tmp_path):
    file = tmp_path / "db.sqlite3"
    file.touch()
    assert check_sqlite_file(file).status == "ok"
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: Path(path) != tmp_path)
    finding = check_sqlite_file(file)
    assert finding.status == "failed"
    assert str(file) in finding.found


def test_a_scheduler_that_stands_still(db):
    idle = timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    session = CameraSession.objects.create(last_active_at=timezone.now() - idle)
    assert check_scheduler().status == "ok"
    assert check_scheduler(session.last_active_at + idle + timedelta(seconds=90)).status == "ok"
    finding = check_scheduler(session.last_active_at + idle + timedelta(seconds=150))
    assert finding.status == "warning"
    assert "scheduler" in finding.mend
