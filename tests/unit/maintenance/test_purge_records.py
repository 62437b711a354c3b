"""`manage.py purge_records`: what is old goes, in batches; what goes on or is young stays."""

import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions.lifecycle import purge_ended
from apps.camera_sessions.models import CameraSession
from apps.console.models import AuditEntry, Kind
from tests.unit.maintenance.worlds import ended_session_of, session_of


@pytest.fixture
def old(owner) -> list[CameraSession]:
    return [ended_session_of(owner, ago=timedelta(days=31)) for _ in range(3)]


def test_old_records_go_and_others_stay(run, owner, old):
    kept = {
        session_of(owner, idle=86_400 * 90).pk,
        ended_session_of(owner, ago=timedelta(days=29)).pk,
    }
    ran = run("purge_records", "--older-than", "30d", "--json")
    deleted = json.loads(ran.out)
    assert (deleted["dry_run"], deleted["camera_sessions"]) == (False, 3)
    assert set(CameraSession.objects.values_list("pk", flat=True)) == kept


def test_a_dry_run_only_counts(run, old):
    ran = run("purge_records", "--older-than", "30d", "--dry-run")
    assert ran.out.startswith("Would delete 3 camera sessions.\n")
    assert CameraSession.objects.count() == 3


def test_a_batch_has_a_bound(old):
    before = timezone.now() - timedelta(days=30)
    assert [purge_ended(before, at_most=2) for _ in range(3)] == [2, 1, 0]


def test_expired_logins_go_whatever_their_age(run, db):
    now = timezone.now()
    Session.objects.create(
        session_key="over", session_data="x", expire_date=now - timedelta(minutes=1)
    )
    Session.objects.create(
        session_key="good", session_data="x", expire_date=now + timedelta(minutes=1)
    )
    ran = run("purge_records", "--older-than", "30d", "--json")
    assert json.loads(ran.out)["login_sessions"] == 1
    assert Session.objects.get().session_key == "good"


def test_old_audit_entries_go_too(run, db):
    now = timezone.now()
    AuditEntry.objects.create(kind=Kind.LOGIN, subject="old", at=now - timedelta(days=31))
    AuditEntry.objects.create(kind=Kind.LOGIN, subject="young", at=now - timedelta(days=29))
    arguments = ("purge_records", "--older-than", "30d", "--json")
    assert json.loads(run(*arguments, "--dry-run").out)["audit_entries"] == 1
    assert json.loads(run(*arguments).out)["audit_entries"] == 1
    assert AuditEntry.objects.get(kind=Kind.LOGIN).subject == "young"


def test_the_age_needs_a_unit(run, old):
    assert "'30' is no duration" in run("purge_records", "--older-than", "30").error
    assert CameraSession.objects.count() == 3


def test_the_audit_keeps_that_it_was_done(run, old):
    run("purge_records", "--older-than", "30d", "--dry-run")
    assert not AuditEntry.objects.filter(kind=Kind.RECORDS_PURGED).exists()
    run("purge_records", "--older-than", "30d")
    entry = AuditEntry.objects.get(kind=Kind.RECORDS_PURGED)
    assert entry.detail.startswith("older than 30 d: 3 camera sessions, ")
    run("purge_records", "--older-than", "30d")
    assert AuditEntry.objects.filter(kind=Kind.RECORDS_PURGED).count() == 1


def test_registrations_that_nobody_confirmed_go(run, owner):
    long_ago = timezone.now() - timedelta(days=31)
    for name, days, active, awaits in (
        ("forgot@example.org", 31, False, True),
        ("young@example.org", 29, False, True),
        ("disabled@example.org", 31, False, False),
        ("confirmed@example.org", 31, True, False),
    ):
        User.objects.create(
            username=name,
            is_active=active,
            awaits_confirmation=awaits,
            date_joined=timezone.now() - timedelta(days=days),
        )
    User.objects.filter(pk=owner.pk).update(date_joined=long_ago)
    ran = run("purge_records", "--older-than", "30d", "--json")
    assert json.loads(ran.out)["unconfirmed_registrations"] == 1
    names = set(User.objects.exclude(pk=owner.pk).values_list("username", flat=True))
    assert names == {"young@example.org", "disabled@example.org", "confirmed@example.org"}
