"""The profile, and the end of an account.

Guards against: changing somebody else's account, or more of one's own than the page offers; a
deletion without the password; rows of a deleted user that stay.
"""

import pytest

from apps.accounts.models import User
from apps.accounts.signals import AccountChange
from tests.form_client import FormClient


@pytest.fixture
def here(owner) -> FormClient:
    client = FormClient()
    client.force_login(owner)
    return client


PROFILE = {"display_name": "Ada", "answer_language": "German", "answer_length": "short"}


def test_the_profile_is_saved(owner, stranger, here):
    page = here.post("/account", {**PROFILE, "is_staff": "on", "username": "root"}, follow=True)
    assert "Saved." in page.content.decode()
    owner.refresh_from_db()
    assert (owner.shown_name, owner.username) == ("Ada", "owner")
    assert (owner.answer_language, owner.answer_length) == ("German", "short")
    assert not owner.is_staff
    stranger.refresh_from_db()
    assert stranger.shown_name == "stranger"


@pytest.mark.parametrize(
    "wrong",
    [{"answer_language": "Klingon"}, {"answer_length": "endless"}, {"display_name": "x" * 61}],
)
def test_what_is_not_offered_is_refused(owner, here, wrong):
    page = here.post("/account", {**PROFILE, **wrong})
    assert list(page.context["form"].errors) == list(wrong)
    owner.refresh_from_db()
    assert owner.shown_name == "owner"


@pytest.mark.parametrize(
    "path", ["/account", "/account/password", "/account/sessions", "/account/delete"]
)
def test_without_a_login_the_way_leads_there(db, client, path):
    assert client.get(path)["Location"] == f"/login?next={path}"


def test_an_account_is_deleted_with_its_password(owner, stranger, here, changes):
    assert here.post("/account/delete", {"password": "owner-password"})["Location"] == "/login"
    assert list(User.objects.all()) == [stranger]
    assert "_auth_user_id" not in here.session
    assert changes == [(AccountChange.DELETED, "owner", None, "127.0.0.1")]


def test_a_wrong_password_deletes_nothing_and_counts(owner, here, settings):
    settings.AXES_FAILURE_LIMIT = 1
    page = here.post("/account/delete", {"password": "wrong"})
    assert page.status_code == 200
    page = here.post("/account/delete", {"password": "owner-password"})
    assert "Too many failed logins" in page.content.decode()
    assert User.objects.filter(pk=owner.pk).exists()


def test_a_deletion_from_a_shell_is_told_as_well(owner, changes):
    User.objects.filter(pk=owner.pk).delete()
    assert changes == [(AccountChange.DELETED, "owner", None, None)]
