"""The audit: who did what.

Guards against: an entry that is changed or lost, also past Django; a name that vanishes with its
account; a failed login that takes the login down when the audit can't be written; control
characters in a log of names that strangers typed; content in the audit.
"""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.db import DatabaseError
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, account_changed
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import EndReason
from apps.console import audit
from apps.console.metrics import AUDIT_FAILED
from apps.console.models import AppendOnly, AuditEntry, Kind
from apps.live_settings.changes import change_setting
from tests.postgres import PostgresServer

FORM = "application/x-www-form-urlencoded"


def test_a_login_and_a_logout_are_written(owner, client, entries):
    owner.set_password("owner-password")
    owner.save()
    client.post("/login", "username=owner&password=owner-password", content_type=FORM)
    client.post("/logout", "", content_type=FORM)
    (login,) = entries("login")
    (logout,) = entries("logout")
    assert (login.actor, login.subject, login.address) == ("owner", "owner", "127.0.0.1")
    assert logout.actor == "owner"


def test_a_login_by_the_api_is_written_too(owner, client, entries):
    owner.set_password("owner-password")
    owner.save()
    body = {"username": "owner", "password": "owner-password"}
    assert client.post("/api/token", body, content_type="application/json").status_code == 201
    (entry,) = entries("login")
    assert (entry.actor, entry.address) == ("owner", "127.0.0.1")


def test_what_no_database_takes_stops_nothing(db, entries):
    audit.record(Kind.LOGIN_FAILED, subject="\ud800anna")
    assert entries("login_failed")[0].subject == "anna"


def test_a_failed_login_keeps_the_name_as_typed_and_never_the_password(db, rf, entries):
    authenticate(rf.post("/login"), username="nobody\n\x00here", password="hunter2")
    (entry,) = entries("login_failed")
    assert (entry.actor, entry.subject) == ("", "nobodyhere")
    assert "hunter2" not in str(vars(entry))


def test_an_operators_end_of_a_session_says_who_and_why(
    session, operator, entries, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.end_session(
            session.pk, reason=EndReason.OPERATOR, note="Maintenance.", actor=operator
        )
    (entry,) = entries("session_ended")
    assert (entry.actor, entry.subject) == ("operator", str(session.pk))
    assert entry.detail == "ended by an operator: Maintenance."


def test_a_changed_setting_says_from_what_to_what(
    administrator, entries, settings, django_capture_on_commit_callbacks
):
    settings.MAX_SESSIONS = 100
    with django_capture_on_commit_callbacks(execute=True):
        change_setting("max_sessions", 7, actor=administrator)
        change_setting("accept_sessions", False, actor=None)
    limit, drain = entries("setting_changed")
    assert (limit.actor, limit.subject, limit.detail) == ("administrator", "Sessions", "100 → 7")
    assert (drain.actor, drain.detail) == ("", "on → off")


@pytest.mark.parametrize("change", list(AccountChange))
def test_every_change_of_an_account_has_its_kind(db, change, entries):
    account_changed.send(sender=User, change=change, username="anna", actor=None, address=None)
    (entry,) = entries(change.value)
    assert entry.subject == "anna"


def test_entries_can_neither_be_changed_nor_deleted(db):
    audit.record(Kind.LOGIN, subject="anna")
    entry = AuditEntry.objects.get()
    entry.subject = "berta"
    for attempt in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(subject="berta"),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert AuditEntry.objects.get().subject == "anna"


def test_old_entries_go_only_by_the_purge(db):
    audit.record(Kind.LOGIN, subject="old")
    border = timezone.now()
    audit.record(Kind.LOGIN, subject="new")
    assert AuditEntry.objects.purge(before=border) == 1
    assert AuditEntry.objects.get().subject == "new"


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path}/audit.sqlite3"
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def test_the_database_itself_refuses_to_change_or_delete_entries(database_url: str):
    done = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("append_only.py")],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    is_postgresql = database_url.startswith("postgres")
    unchanged = "The audit is append-only: no entry is changed."
    undeleted = "The audit is append-only: only manage.py purge_records deletes entries."
    by_a_lesser_role = {
        "delete by a permit of its own": undeleted,
        "truncate behind a table of its own": undeleted,
    }
    assert found == (by_a_lesser_role if is_postgresql else {}) | {
        "update": unchanged,
        "delete": undeleted,
        "delete one": undeleted,
        "replace": unchanged,
        "truncate": undeleted if is_postgresql else None,
        "flush": undeleted,
        "delete with a permit for the future": undeleted,
        "delete with a permit left behind": undeleted,
        "kept": ["old", "older", "young", "gone", "gone"],
        "purge": "done",
        "after the purge": ["young", "gone"],
        "permits left": 0,
        "delete afterwards": undeleted,
        "back": "done",
        "delete without triggers": "done",
        "forward": "done",
        "flush of an empty audit": "done",
        "update at last": unchanged,
    }


def test_an_actors_name_outlives_the_account(operator, entries):
    audit.record(Kind.AUDIT_EXPORTED, actor=operator)
    operator.delete()
    assert entries("audit_exported")[0].actor == "operator"


def test_an_audit_that_can_not_be_written_stops_nothing(db, monkeypatch, caplog):
    def fail(*_, **__):
        raise DatabaseError

    monkeypatch.setattr(AuditEntry, "save", fail)
    before = AUDIT_FAILED._value.get()
    audit.record(Kind.LOGIN, subject="anna")
    assert AUDIT_FAILED._value.get() == before + 1
    assert "could not be written" in caplog.text
    assert "anna" not in caplog.text


def test_long_texts_are_cut_to_their_columns(db):
    audit.record(Kind.LOGIN_FAILED, subject="x" * 1000, detail="y" * 1000)
    entry = AuditEntry.objects.get()
    assert (len(entry.subject), len(entry.detail)) == (150, 500)


def test_the_page_filters_and_pages(viewer, browse):
    for number in range(60):
        audit.record(Kind.LOGIN_FAILED, subject=f"guess-{number}")
    client = browse(viewer)  # which is an entry of its own
    page = client.get("/console/audit", {"kind": "login_failed"}).context["page"]
    assert (len(page.object_list), page.paginator.count) == (50, 60)
    assert (
        len(client.get("/console/audit", {"kind": "login_failed", "page": "2"}).context["page"])
        == 10
    )
    found = client.get("/console/audit", {"q": "guess-59"}).context["page"]
    assert [entry.subject for entry in found] == ["guess-59"]
    assert client.get("/console/audit", {"kind": "nonsense", "page": "x"}).status_code == 200


def test_the_file_has_all_that_is_filtered_and_no_formulas(viewer, browse, entries):
    audit.record(Kind.LOGIN_FAILED, subject='=HYPERLINK("http://evil")')
    audit.record(Kind.LOGIN, subject="anna")
    response = browse(viewer).get("/console/audit.csv", {"kind": "login_failed"})
    assert response["Content-Disposition"].startswith('attachment; filename="qwencam-audit-')
    rows = list(csv.DictReader(io.StringIO(b"".join(response).decode())))
    assert [row["subject"] for row in rows] == ['\'=HYPERLINK("http://evil")']
    assert entries("audit_exported")[0].actor == "viewer"
