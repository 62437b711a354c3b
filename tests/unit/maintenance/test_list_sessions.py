"""`manage.py list_sessions`: live ones, or all on record, as a table or JSON."""

import json

from django.utils import timezone

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from tests.unit.maintenance.worlds import ended_session_of, session_of


def listed(ran) -> list[dict]:
    assert ran.code == 0, ran.error
    return json.loads(ran.out)


def test_live_sessions_of_everybody_newest_first(run, owner, stranger):
    first, second = session_of(owner), session_of(stranger)
    ended_session_of(owner)
    session_of(owner, idle=4000)
    found = listed(run("list_sessions", "--json"))
    assert [line["id"] for line in found] == [str(second.pk), str(first.pk)]
    assert {line["state"] for line in found} == {"live"}
    assert listed(run("list_sessions", "--live", "--json")) != []


def test_a_line_says_whose_how_long_and_how_much(run, owner):
    session = session_of(owner, idle=90)
    lifecycle.count(session.pk, questions=3, answers=2, errors=1)
    (line,) = listed(run("list_sessions", "--json"))
    assert line["user"] == "owner"
    assert line["address"] == "192.0.2.1"
    assert 90 <= line["idle_seconds"] < 120
    assert (line["questions"], line["answers"], line["errors"]) == (3, 2, 1)
    row = run("list_sessions", "--no-color").out.splitlines()[1].split()
    assert row[:3] == [str(session.pk), "owner", "192.0.2.1"]
    assert row[-4:] == ["3", "2", "1", "live"]


def test_all_tells_how_each_one_stands(run, owner, stranger):
    ended = session_of(owner)
    lifecycle.end_session(ended.pk, reason=EndReason.OPERATOR, note="Bye.")
    forgotten, left = session_of(owner, idle=4000), session_of(stranger)
    CameraSession.objects.filter(pk=left.pk).update(present_until=timezone.now())
    states = {
        line["id"]: (line["state"], line["end_note"])
        for line in listed(run("list_sessions", "--all", "--json"))
    }
    assert states == {
        str(ended.pk): ("ended", "Bye."),
        str(forgotten.pk): ("idle", ""),
        str(left.pk): ("abandoned", ""),
    }
    assert "ended: operator" in run("list_sessions", "--all").out


def test_of_one_user(run, owner, stranger):
    session_of(owner)
    theirs = session_of(stranger)
    (line,) = listed(run("list_sessions", "--user", "stranger", "--json"))
    assert line["id"] == str(theirs.pk)


def test_an_unknown_user_is_an_error(run, owner):
    ran = run("list_sessions", "--user", "nobody")
    assert (ran.code, ran.error) == (1, "There is no user named 'nobody'.")


def test_an_anonymous_visitor_has_no_name(run, db):
    session_of(None)
    assert listed(run("list_sessions", "--json"))[0]["user"] is None
    assert "(anonymous)" in run("list_sessions").out


def test_the_limit_is_kept_and_told(run, owner):
    for _ in range(3):
        session_of(owner)
    assert len(listed(run("list_sessions", "--limit", "2", "--json"))) == 2
    assert "2 live sessions of 3" in run("list_sessions", "--limit", "2").out


def test_nobody_there(run, db):
    assert run("list_sessions").out == "No live sessions.\n"
    assert listed(run("list_sessions", "--json")) == []
