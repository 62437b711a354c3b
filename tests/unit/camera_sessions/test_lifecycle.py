"""The life of a camera session.

Guards against: phantom "too many users" after a stop or a closed tab, limits that two
simultaneous openers can pass, sessions announced as ended twice, a stranger losing a session to
somebody else's limit, a disabled user's session living on.
"""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.tasks import expire_sessions
from apps.contract import Refusal
from tests.unit.camera_sessions.worlds import LIMITS, unused_for

IDLE = LIMITS.idle_seconds


def open_for(user, *, limits=LIMITS) -> CameraSession:
    return lifecycle.open_session(user, address=None, limits=limits)


def is_live(session) -> bool:
    return lifecycle.live_session(session.pk, idle_seconds=IDLE) is not None


def end_reason(session) -> str:
    return CameraSession.objects.get(pk=session.pk).end_reason


def test_a_new_session_is_live_and_has_counted_nothing(session, owner):
    found = lifecycle.live_session(session.pk, idle_seconds=IDLE)
    assert found is not None
    assert found.user == owner
    assert found.address == "192.0.2.1"
    assert (found.questions, found.answers, found.errors, found.frames) == (0, 0, 0, 0)


def test_a_session_may_be_anonymous(db):
    assert is_live(open_for(None))


def test_an_unknown_id_is_no_session(db):
    assert lifecycle.live_session(uuid4(), idle_seconds=IDLE) is None
    assert not lifecycle.touch(uuid4(), idle_seconds=IDLE)
    assert not lifecycle.end_session(uuid4(), reason=EndReason.USER)


def test_a_user_has_only_so_many_sessions_but_a_stranger_has_their_own(owner, stranger):
    limits = replace(LIMITS, max_sessions_per_user=2)
    open_for(owner, limits=limits)
    open_for(owner, limits=limits)
    with pytest.raises(Refusal) as refusal:
        open_for(owner, limits=limits)
    assert refusal.value.code == "user_session_limit"
    assert CameraSession.objects.filter(user=owner).count() == 2
    open_for(stranger, limits=limits)


def test_anonymous_visitors_share_no_user_limit(db):
    limits = replace(LIMITS, max_sessions_per_user=1)
    open_for(None, limits=limits)
    open_for(None, limits=limits)


def test_anonymous_visitors_of_one_address_share_a_limit_and_others_do_not(db):
    limits = replace(LIMITS, max_sessions_per_address=1)
    lifecycle.open_session(None, address="192.0.2.1", limits=limits)
    with pytest.raises(Refusal) as refusal:
        lifecycle.open_session(None, address="192.0.2.1", limits=limits)
    assert refusal.value.code == "address_session_limit"
    lifecycle.open_session(None, address="192.0.2.2", limits=limits)


def test_a_login_at_that_address_is_not_anonymous(owner):
    limits = replace(LIMITS, max_sessions_per_address=1)
    lifecycle.open_session(None, address="192.0.2.1", limits=limits)
    lifecycle.open_session(owner, address="192.0.2.1", limits=limits)


def test_a_draining_platform_opens_no_session_and_keeps_those_it_has(session, stranger):
    with pytest.raises(Refusal) as refusal:
        open_for(stranger, limits=replace(LIMITS, accepting=False))
    assert refusal.value.code == "draining"
    assert is_live(session)


def test_an_end_keeps_its_note_for_the_user(session):
    lifecycle.end_session(session.pk, reason=EndReason.OPERATOR, note="n" * 500)
    session.refresh_from_db()
    assert session.end_note == "n" * 200


def test_the_platform_has_only_so_many_sessions(owner, stranger):
    limits = replace(LIMITS, max_sessions=1)
    open_for(owner, limits=limits)
    with pytest.raises(Refusal) as refusal:
        open_for(stranger, limits=limits)
    assert refusal.value.code == "session_limit"


def test_an_ended_session_frees_its_place_at_once(owner):
    limits = replace(LIMITS, max_sessions_per_user=1)
    first = open_for(owner, limits=limits)
    lifecycle.end_session(first.pk, reason=EndReason.USER)
    open_for(owner, limits=limits)


def test_an_idle_session_frees_its_place_before_it_is_swept(owner):
    limits = replace(LIMITS, max_sessions_per_user=1)
    first = open_for(owner, limits=limits)
    unused_for(first, seconds=IDLE + 1)
    open_for(owner, limits=limits)
    assert end_reason(first) == ""


def test_a_closed_tab_gives_its_place_to_the_users_next_session(owner, commits, ended):
    limits = replace(LIMITS, max_sessions_per_user=2)
    older, newer = open_for(owner, limits=limits), open_for(owner, limits=limits)
    unused_for(older, seconds=90)
    unused_for(newer, seconds=70)
    with commits(execute=True):
        open_for(owner, limits=limits)
    assert ended == [(older.pk, EndReason.REPLACED)]
    assert is_live(newer)


def test_a_page_may_be_reloaded_as_often_as_one_likes(owner):
    limits = replace(LIMITS, max_sessions_per_user=2)
    elsewhere = open_for(owner, limits=limits)
    for _ in range(5):
        lifecycle.note_gone(open_for(owner, limits=limits).pk)
    assert is_live(elsewhere)


def test_a_socket_that_comes_back_keeps_its_session(owner):
    limits = replace(LIMITS, max_sessions_per_user=1)
    session = open_for(owner, limits=limits)
    lifecycle.note_gone(session.pk)
    assert is_live(session)
    lifecycle.note_seen(session.pk)
    with pytest.raises(Refusal, match=r"already have|taken"):
        open_for(owner, limits=limits)


def test_an_abandoned_session_lives_on_while_nobody_needs_its_place(owner, session):
    unused_for(session, seconds=600)
    open_for(owner)
    assert is_live(session)
    assert lifecycle.touch(session.pk, idle_seconds=IDLE)


def test_a_users_own_limit_never_ends_a_strangers_session(owner, strangers_session):
    limits = replace(LIMITS, max_sessions_per_user=1)
    unused_for(strangers_session, seconds=600)
    open_for(owner, limits=limits)
    with pytest.raises(Refusal, match=r"already have|taken"):
        open_for(owner, limits=limits)
    assert is_live(strangers_session)


def test_a_full_platform_takes_the_place_of_an_abandoned_session(owner, strangers_session):
    unused_for(strangers_session, seconds=600)
    open_for(owner, limits=replace(LIMITS, max_sessions=1))
    assert end_reason(strangers_session) == EndReason.REPLACED


def test_a_refused_opener_ends_nobody(owner, strangers_session):
    mine = open_for(owner)
    unused_for(mine, seconds=600)
    limits = replace(LIMITS, max_sessions=1, max_sessions_per_user=1)
    with pytest.raises(Refusal, match="taken"):
        open_for(owner, limits=limits)
    assert is_live(mine)
    assert is_live(strangers_session)


def test_simultaneous_openers_do_not_pass_the_limit(tmp_path):
    """In a process of its own: the test database in memory knows no waiting for a lock."""
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/race.sqlite3"}
    race = Path(__file__).with_name("race.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", race], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["opened"] * 3 + ["user_session_limit"] * 5


def test_a_session_ends_once_and_says_so_once(session, strangers_session, ended, commits):
    with commits(execute=True):
        assert lifecycle.end_session(session.pk, reason=EndReason.USER)
        assert not lifecycle.end_session(session.pk, reason=EndReason.OPERATOR)
        assert ended == []  # only after the commit
    assert ended == [(session.pk, EndReason.USER)]
    assert end_reason(session) == EndReason.USER
    assert not is_live(session)
    assert is_live(strangers_session)


def test_an_ended_session_cannot_be_touched(session):
    lifecycle.end_session(session.pk, reason=EndReason.USER)
    assert not lifecycle.touch(session.pk, idle_seconds=IDLE)


def test_touching_keeps_a_session_alive(session):
    unused_for(session, seconds=IDLE - 10)
    assert lifecycle.touch(session.pk, idle_seconds=IDLE)
    assert lifecycle.expire_idle(timezone.now() + timedelta(seconds=60), idle_seconds=IDLE) == 0


def test_an_idle_session_cannot_be_touched_back_to_life(session):
    unused_for(session, seconds=IDLE + 1)
    assert not lifecycle.touch(session.pk, idle_seconds=IDLE)
    assert not is_live(session)


def test_an_open_socket_keeps_the_place_but_not_the_session(owner):
    limits = replace(LIMITS, max_sessions_per_user=1)
    watched = open_for(owner, limits=limits)
    unused_for(watched, seconds=IDLE - 10)
    assert lifecycle.note_seen(watched.pk)
    with pytest.raises(Refusal, match=r"already have|taken"):
        open_for(owner, limits=limits)
    assert lifecycle.expire_idle(timezone.now() + timedelta(seconds=20), idle_seconds=IDLE) == 1
    assert not lifecycle.note_seen(watched.pk)


def test_a_disabled_user_has_no_live_session(session, owner):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert not is_live(session)
    assert not lifecycle.touch(session.pk, idle_seconds=IDLE)
    assert not lifecycle.note_seen(session.pk)


def test_counting_adds_up_for_that_session_alone(session, strangers_session):
    lifecycle.count(session.pk, questions=1, frames=2)
    lifecycle.count(session.pk, answers=1, errors=3, frames=1)
    row = CameraSession.objects.get(pk=session.pk)
    assert (row.questions, row.answers, row.errors, row.frames) == (1, 1, 3, 3)
    assert CameraSession.objects.get(pk=strangers_session.pk).frames == 0


def test_expiry_ends_what_is_idle_and_nothing_else(session, strangers_session, ended, commits):
    unused_for(session, seconds=IDLE + 1)
    with commits(execute=True):
        assert lifecycle.expire_idle(timezone.now(), idle_seconds=IDLE) == 1
    assert ended == [(session.pk, EndReason.IDLE)]
    assert is_live(strangers_session)


def test_the_scheduled_task_expires_by_the_setting(session, settings):
    settings.SESSION_IDLE_SECONDS = 30
    unused_for(session, seconds=31)
    expire_sessions()
    assert end_reason(session) == EndReason.IDLE


def test_a_row_cannot_be_ended_without_a_reason(session):
    with pytest.raises(IntegrityError):
        CameraSession.objects.filter(pk=session.pk).update(ended_at=timezone.now())


def test_the_row_has_no_room_for_content():
    texts = {
        f.name
        for f in CameraSession._meta.fields
        if f.get_internal_type() in {"CharField", "TextField", "JSONField", "BinaryField"}
    }
    assert texts == {
        "end_note",
        "end_reason",
        "refresh_id",
        "login_id",
    }  # the note is the operator's
