"""The id of a browser's login, and the signals that its end sends.

Guards against: a login that ends without anybody being told, one whose end is told though it
failed, programs that get a login's id.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import DatabaseError

from apps.accounts.browser_logins import LOGIN_ID, lock_login
from apps.accounts.invitations import create_invitation
from apps.accounts.models import User
from apps.accounts.signals import login_ended, other_logins_ended
from tests.form_client import FormClient

NEW = "a-new-long-password"
CHANGE = {"old_password": "owner-password", "new_password1": NEW, "new_password2": NEW}


@pytest.fixture
def over() -> Iterator[list[str]]:
    """The logins whose end was told, in order."""
    heard: list[str] = []

    def hear(*, login_id: str, **_: Any) -> None:
        heard.append(login_id)

    login_ended.connect(hear)
    yield heard
    login_ended.disconnect(hear)


def logged_in(username: str) -> FormClient:
    """A browser with a login by the page."""
    browser = FormClient()
    fields = {"username": username, "password": f"{username}-password"}
    assert browser.post("/login", fields).status_code == 302
    return browser


def id_of(browser: FormClient) -> str:
    return str(browser.session[LOGIN_ID])


def test_each_login_has_an_id_of_its_own(owner: User, stranger: User):
    browsers = [logged_in("owner"), logged_in("owner"), logged_in("stranger")]
    assert len({id_of(browser) for browser in browsers}) == 3
    assert all(len(id_of(browser)) == 32 for browser in browsers)


def test_the_id_outlives_a_change_of_the_password_and_of_the_cookie(owner: User, over: list[str]):
    browser = logged_in("owner")
    before, cookie = id_of(browser), browser.cookies["sessionid"].value
    assert browser.post("/account/password", CHANGE).status_code == 302
    assert browser.cookies["sessionid"].value != cookie
    assert id_of(browser) == before
    assert over == []


def test_a_login_that_is_older_than_the_ids_gets_one_at_its_first_use(owner: User):
    browser = logged_in("owner")
    session = browser.session
    del session[LOGIN_ID]
    session.save()
    page = browser.get("/", headers={"Accept": "text/html"})
    assert f'data-login="{id_of(browser)}"' in page.content.decode()


def test_an_anonymous_visitor_has_none(db: None, settings: Any):
    settings.REQUIRE_AUTH = False
    browser = FormClient()
    page = browser.get("/", headers={"Accept": "text/html"})
    assert 'data-login=""' in page.content.decode()
    assert "sessionid" not in browser.cookies


def test_a_program_with_a_password_gets_no_login(owner: User):
    browser = FormClient()
    body = json.dumps({"username": "owner", "password": "owner-password"})
    assert browser.post("/api/token", body, content_type="application/json").status_code == 201
    assert not Session.objects.exists()


@pytest.mark.parametrize("door", ["/logout", "/admin/logout/"])
def test_the_end_is_told_whatever_the_door(owner: User, over: list[str], door: str):
    owner.is_staff = True
    owner.save()
    browser, other = logged_in("owner"), logged_in("owner")
    ended = id_of(browser)
    browser.post(door)
    assert over == [ended]
    assert other.get("/account").status_code == 200


def test_another_users_login_over_it_is_its_end(owner: User, stranger: User, over: list[str]):
    stranger.is_staff = True
    stranger.save()
    browser = logged_in("owner")
    before = id_of(browser)
    fields = {"username": "stranger", "password": "stranger-password", "next": "/admin/"}
    assert browser.post("/admin/login/", fields).status_code == 302
    assert browser.session["_auth_user_id"] == str(stranger.pk)
    assert over == [before]
    assert id_of(browser) != before


def test_so_is_an_invitation_that_is_accepted(owner: User, over: list[str]):
    browser = logged_in("owner")
    before = id_of(browser)
    _, token = create_invitation(actor=owner, valid_for=timedelta(days=1))
    fields = {"username": "ada", "email": "", "password": NEW}
    assert browser.post(f"/invitation/{token}", fields).status_code == 302
    assert over == [before]
    assert id_of(browser) != before


def test_the_same_user_again_goes_on_under_the_same_id(owner: User, over: list[str]):
    owner.is_staff = True
    owner.save()
    owner.groups.set(Group.objects.filter(name="viewer"))
    browser = logged_in("owner")
    before = id_of(browser)
    fields = {"username": "owner", "password": "owner-password", "next": "/admin/"}
    browser.post("/admin/login/", fields)
    assert id_of(browser) == before
    assert over == []


def test_a_password_changed_elsewhere_is_its_end(owner: User, stranger: User, over: list[str]):
    told: list[tuple[User, str]] = []

    def hear(*, user: User, kept: str, **_: Any) -> None:
        told.append((user, kept))

    other_logins_ended.connect(hear)
    here, there, strangers = logged_in("owner"), logged_in("owner"), logged_in("stranger")
    before = id_of(there)
    here.post("/account/password", CHANGE)
    other_logins_ended.disconnect(hear)
    assert told == [(owner, id_of(here))]
    assert there.get("/account").status_code == 302
    assert over == [before]
    assert strangers.get("/account").status_code == 200


def test_an_end_that_fails_is_none_and_says_so(owner: User, over: list[str]):
    def fail(**_: Any) -> None:
        raise DatabaseError

    browser = logged_in("owner")
    login_ended.connect(fail)
    page = browser.post("/logout")
    login_ended.disconnect(fail)
    assert page.status_code == 503
    assert "You are still signed in" in page.content.decode()
    assert browser.get("/account").status_code == 200
    assert browser.post("/logout").status_code == 302
    assert browser.get("/account").status_code == 302


def test_a_login_can_be_held_until_it_ends(owner: User):
    browser = logged_in("owner")
    key = browser.session.session_key
    assert lock_login(key)
    browser.post("/logout")
    assert not lock_login(key)
    assert not lock_login(None)
