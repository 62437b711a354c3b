"""`manage.py drain`: no new sessions, and back."""

import json

from apps.live_settings.changes import change_setting
from apps.live_settings.current import refresh
from tests.unit.maintenance.worlds import session_of


def test_on_and_off(run, db):
    assert run("drain", "on").code == 0
    assert refresh().accept_sessions is False
    assert run("drain", "off").code == 0
    assert refresh().accept_sessions is True


def test_the_notice_changes_only_when_given(run, db):
    run("drain", "on", "--notice", "We restart at noon.")
    run("drain", "off")
    assert refresh().notice == "We restart at noon."
    run("drain", "off", "--notice", "")
    assert refresh().notice == ""


def test_status_changes_nothing(run, owner):
    session_of(owner)
    session_of(owner, idle=4000)
    change_setting("accept_sessions", False, actor=None)
    told = json.loads(run("drain", "status", "--json").out)
    assert told == {"draining": True, "notice": "", "live_sessions": 1}
    assert refresh().accept_sessions is False
    assert run("drain", "status", "--notice", "x").code == 2
    assert refresh().notice == ""


def test_a_notice_too_long_drains_nothing(run, db):
    ran = run("drain", "on", "--notice", "x" * 301)
    assert ran.code == 2
    assert "300 characters" in ran.error
    assert refresh().accept_sessions is True
