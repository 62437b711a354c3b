"""Camera sessions end with the browser's login that opened them, and no others do.

Guards against: a camera that streams on after its user has signed out, a session opened while its
login ends, a page that goes on under another login than it was loaded under.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache

from apps.accounts.models import User
from apps.camera_sessions import lifecycle, views
from apps.camera_sessions.models import CameraSession, EndReason
from tests.form_client import FormClient
from tests.postgres import PostgresServer

NEW = "a-new-long-password"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def browser(owner: User) -> FormClient:
    return logged_in("owner")


def logged_in(username: str) -> FormClient:
    browser = FormClient()
    fields = {"username": username, "password": f"{username}-password"}
    assert browser.post("/login", fields).status_code == 302
    return browser


def ask(browser: FormClient, body: object = None, **headers: str) -> Any:
    content = json.dumps(body or {})
    return browser.post("/api/token", content, content_type="application/json", headers=headers)


def opened(browser: FormClient, body: object = None) -> UUID:
    reply = ask(browser, body)
    assert reply.status_code == 201
    return UUID(reply.json()["session_id"])


def reason(session_id: UUID) -> str:
    return CameraSession.objects.get(pk=session_id).end_reason


def test_signing_out_ends_all_that_this_login_opened_and_nothing_else(
    owner, stranger, strangers_session, browser, ended, commits
):
    mine = {opened(browser), opened(browser)}
    elsewhere = opened(logged_in("owner"))
    program = opened(FormClient(), {"username": "owner", "password": "owner-password"})
    before = opened(browser)
    lifecycle.end_session(before, reason=EndReason.USER)
    with commits(execute=True):
        browser.post("/logout")
    assert {pk for pk, why in ended if why is EndReason.SIGNED_OUT} == mine
    assert {reason(pk) for pk in mine} == {EndReason.SIGNED_OUT}
    assert reason(before) == EndReason.USER
    for other in (elsewhere, program, strangers_session.pk):
        assert reason(other) == ""


def test_anonymous_sessions_have_no_login(db, settings):
    settings.REQUIRE_AUTH = False
    session = CameraSession.objects.get(pk=opened(FormClient()))
    assert session.login_id == ""
    everybodys = CameraSession.objects.opened_by_login("")
    assert lifecycle.end_sessions(everybodys, reason=EndReason.SIGNED_OUT) == []
    session.refresh_from_db()
    assert session.ended_at is None


def test_another_user_who_signs_in_over_it_ends_them(owner, stranger, browser):
    session = opened(browser)
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    fields = {"username": "stranger", "password": "stranger-password", "next": "/admin/"}
    assert browser.post("/admin/login/", fields).status_code == 302
    assert reason(session) == EndReason.SIGNED_OUT


def test_a_changed_password_ends_those_of_other_browsers(owner, browser):
    mine, elsewhere = opened(browser), opened(logged_in("owner"))
    program = opened(FormClient(), {"username": "owner", "password": "owner-password"})
    fields = {"old_password": "owner-password", "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/account/password", fields).status_code == 302
    assert (reason(mine), reason(elsewhere), reason(program)) == ("", EndReason.SIGNED_OUT, "")
    browser.post("/logout")
    assert reason(mine) == EndReason.SIGNED_OUT


def test_an_account_that_is_deleted_leaves_none(owner, browser, ended, commits):
    mine, elsewhere = opened(browser), opened(logged_in("owner"))
    with commits(execute=True):
        fields = {"password": "owner-password"}
        assert browser.post("/account/delete", fields).status_code == 302
    assert dict(ended) == {mine: EndReason.SIGNED_OUT, elsewhere: EndReason.USER}


def test_a_session_asked_for_while_the_login_ends_is_not_opened(owner, browser, monkeypatch):
    limits = views.session_limits

    def signing_out_meanwhile():
        Session.objects.all().delete()
        return limits()

    monkeypatch.setattr(views, "session_limits", signing_out_meanwhile)
    reply = ask(browser)
    assert (reply.status_code, reply.json()["error"]) == (401, "not_authenticated")
    assert not CameraSession.objects.exists()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database that several can use at the same time."""
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path}/race.sqlite3"
        return
    server = PostgresServer()
    server.start()
    yield server.url
    server.stop()


def test_no_session_slips_through_while_its_login_ends(database_url: str, redis_url: str):
    """In a process of its own: the test database in memory knows no waiting for a lock."""
    race = Path(__file__).with_name("sign_out_race.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", race],
        # With a Redis, as otherwise each sign-out waits for one.
        env={**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _, left = done.stdout.split()
    assert left == "0"


def test_tokens_of_a_session_that_ended_so_are_refused(owner, browser):
    tokens = ask(browser).json()
    browser.post("/logout")
    body = json.dumps({"refresh": tokens["refresh"]})
    reply = FormClient().post("/api/token/refresh", body, content_type="application/json")
    assert (reply.status_code, reply.json()["error"]) == (401, "session_ended")
    headers = {"Authorization": f"Bearer {tokens['access']}"}
    assert FormClient().get("/api/session", headers=headers).status_code == 401


def page_login(browser: FormClient) -> str:
    return str(browser.session["login_id"])


def test_a_page_goes_on_under_its_own_login_only(owner, stranger, browser):
    login = page_login(browser)
    assert ask(browser, **{"X-QwenCam-Login": login}).status_code == 201
    browser.post("/logout")
    signed_out = ask(browser, **{"X-QwenCam-Login": login})
    assert (signed_out.status_code, signed_out.json()["error"]) == (401, "not_authenticated")
    browser.post("/login", {"username": "stranger", "password": "stranger-password"})
    other = ask(browser, **{"X-QwenCam-Login": login})
    assert (other.status_code, other.json()["error"]) == (409, "login_changed")
    assert not CameraSession.objects.filter(user=stranger).exists()
    assert ask(browser, **{"X-QwenCam-Login": page_login(browser)}).status_code == 201


def test_where_anybody_may_come_a_page_does_not_become_anonymous(owner, browser, settings):
    settings.REQUIRE_AUTH = False
    login = page_login(browser)
    browser.post("/logout")
    assert ask(browser, **{"X-QwenCam-Login": login}).json()["error"] == "login_changed"
    assert ask(browser, **{"X-QwenCam-Login": ""}).status_code == 201


def test_a_changed_login_is_told_before_a_forged_request_is_suspected(owner, stranger):
    browser = FormClient(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert ask(browser, **{"X-QwenCam-Login": "another"}).json()["error"] == "login_changed"
    assert ask(browser, **{"X-QwenCam-Login": page_login(browser)}).json()["error"] == "forbidden"
