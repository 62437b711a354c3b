"""`manage.py end_sessions`: ends whom it should and nobody else, and says who ended them."""

import json
from collections.abc import Iterator

import pytest

from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.signals import Ending, session_ended
from tests.unit.maintenance.worlds import ended_session_of, session_of


@pytest.fixture
def endings(redis_server) -> Iterator[list[Ending]]:
    """What the other parts of the platform are told."""
    heard: list[Ending] = []

    def hear(*, ending, **_) -> None:
        heard.append(ending)

    session_ended.connect(hear)
    yield heard
    session_ended.disconnect(hear)


def is_live(session: CameraSession) -> bool:
    session.refresh_from_db()
    return session.ended_at is None


def test_of_one_user_and_of_no_other(run, owner, stranger):
    mine, also_mine, theirs = session_of(owner), session_of(owner), session_of(stranger)
    ran = run("end_sessions", "--user", "owner", "--note", "Please take a break.")
    assert (ran.code, ran.out) == (0, "Ended 2 sessions.\n")
    assert [is_live(session) for session in (mine, also_mine, theirs)] == [False, False, True]
    assert (mine.end_reason, mine.end_note) == (EndReason.OPERATOR, "Please take a break.")


def test_the_platform_is_told_once(run, owner, endings, django_capture_on_commit_callbacks):
    session = session_of(owner)
    with django_capture_on_commit_callbacks(execute=True):
        run("end_sessions", "--all", "--note", "Bye.")
    (ending,) = endings
    assert ending == Ending(session_id=session.pk, reason=EndReason.OPERATOR, note="Bye.")


def test_by_idleness(run, owner):
    used, unused = session_of(owner), session_of(owner, idle=300)
    assert run("end_sessions", "--idle", "200").code == 0
    assert (is_live(used), is_live(unused)) == (True, False)
    assert run("end_sessions", "--idle", "1h").code == 1
    assert is_live(used)


def test_by_id(run, owner):
    first, second, third = session_of(owner), session_of(owner), session_of(owner)
    ran = run("end_sessions", str(first.pk), str(third.pk), "--json")
    assert set(json.loads(ran.out)["ended"]) == {str(first.pk), str(third.pk)}
    assert is_live(second)


def test_all(run, owner, stranger):
    session_of(owner), session_of(stranger), session_of(None)
    assert run("end_sessions", "--all").out == "Ended 3 sessions.\n"
    assert not CameraSession.objects.filter(ended_at=None).exists()


def test_nothing_matched_is_a_failure(run, owner):
    ended_session_of(owner)
    ran = run("end_sessions", "--all", "--json")
    assert (ran.code, ran.error) == (1, "No live session matched.")
    assert json.loads(ran.out) == {"ended": []}
    assert run("end_sessions", "--user", "nobody").code == 1


@pytest.mark.parametrize("which", [(), ("--all", "--user", "owner"), ("--all", "--idle", "5")])
def test_which_ones_must_be_said_once(run, owner, which):
    session = session_of(owner)
    assert run("end_sessions", *which).code == 2
    assert is_live(session)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("not-an-id",), "'not-an-id' is no session id"),
        (("--all", "--note", "x" * 201), "201 characters"),
        (("--all", "--note", "one\ntwo"), "one line"),
        (("--idle", "soon"), "'soon' is no duration"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(run, owner, arguments, sentence):
    session = session_of(owner)
    assert sentence in run("end_sessions", *arguments).error
    assert is_live(session)
