"""The page of one's own sessions, and what account changes do to sessions.

Guards against: seeing or ending a stranger's session, ended sessions on the page, sessions that
go on after their user is deleted or has reset the password.
"""

from uuid import uuid4

import pytest

from apps.accounts.deletion import delete_account
from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce
from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.models import CameraSession, EndReason
from tests.form_client import FormClient
from tests.unit.camera_sessions.worlds import unused_for


@pytest.fixture
def here(owner) -> FormClient:
    client = FormClient()
    client.force_login(owner)
    return client


def shown(client) -> list:
    return [session.pk for session in client.get("/account/sessions").context["sessions"]]


def test_the_page_shows_ones_own_live_sessions(session, strangers_session, here):
    lifecycle.count(session.pk, questions=7)
    page = here.get("/account/sessions")
    assert [listed.pk for listed in page.context["sessions"]] == [session.pk]
    text = page.content.decode()
    assert "192.0.2.1" in text
    assert "192.0.2.2" not in text
    assert "<dd>7</dd>" in text


def test_what_is_over_is_not_shown(session, here, settings):
    unused_for(session, seconds=settings.SESSION_IDLE_SECONDS + 1)
    assert shown(here) == []
    assert "No camera session is open" in here.get("/account/sessions").content.decode()


def test_a_button_ends_one_and_its_token_dies(session, owner, here, commits, ended):
    access = tokens.issue(session).access
    other = CameraSession.objects.create(user=owner)
    with commits(execute=True):
        response = here.post(f"/account/sessions/{session.pk}/end")
    assert response["Location"] == "/account/sessions"
    assert ended == [(session.pk, EndReason.USER)]
    assert shown(here) == [other.pk]
    refused = FormClient().get("/api/session", headers={"Authorization": f"Bearer {access}"})
    assert (refused.status_code, refused.json()["error"]) == (401, "session_ended")


def test_ending_it_twice_is_no_error(session, here):
    for _ in range(2):
        assert here.post(f"/account/sessions/{session.pk}/end").status_code == 302


def test_a_strangers_session_is_not_there(strangers_session, session, here, ended):
    for pk in (strangers_session.pk, uuid4()):
        assert here.post(f"/account/sessions/{pk}/end").status_code == 404
    strangers_session.refresh_from_db()
    assert strangers_session.ended_at is None


def test_ending_takes_a_post_with_its_csrf_token_and_a_login(session, owner, here):
    path = f"/account/sessions/{session.pk}/end"
    assert here.get(path).status_code == 405
    strict = FormClient(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post(path).status_code == 403
    assert FormClient().post(path)["Location"].startswith("/login")
    session.refresh_from_db()
    assert session.ended_at is None


@pytest.mark.parametrize("how", ["account page", "shell"])
def test_deleting_a_user_ends_the_sessions_and_takes_their_rows(
    session, strangers_session, owner, how, commits, ended
):
    with commits(execute=True):
        if how == "shell":
            User.objects.filter(pk=owner.pk).delete()
        else:
            delete_account(owner, address=None)
    assert ended == [(session.pk, EndReason.USER)]
    assert list(CameraSession.objects.all()) == [strangers_session]


def test_a_reset_password_ends_sessions_and_a_changed_one_does_not(session, owner, commits, ended):
    with commits(execute=True):
        announce(AccountChange.PASSWORD_CHANGED, username="owner", actor=owner)
    assert ended == []
    with commits(execute=True):
        announce(AccountChange.PASSWORD_RESET, username="owner", actor=owner)
    session.refresh_from_db()
    assert session.end_reason == EndReason.USER
