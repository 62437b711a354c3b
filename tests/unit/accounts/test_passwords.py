"""Changing a password, and setting a new one by a mailed link.

Guards against: telling which addresses have accounts, links used twice, mail by the hundred,
guessing a password behind a stolen login, logins elsewhere that go on.
"""

import re

import pytest
from django.core import mail

from apps.accounts.models import User
from apps.accounts.signals import AccountChange
from tests.form_client import FormClient

NEW = "a-new-long-password"


def post(client, path, **fields):
    return client.post(path, fields)


@pytest.fixture
def here(owner) -> FormClient:
    client = FormClient()
    client.force_login(owner)
    return client


def ask_for_reset(client, email="owner@example.org"):
    return post(client, "/password-reset", email=email)


def mailed_link() -> str:
    found = re.search(r"http://testserver(/password-reset/\S+)", mail.outbox[-1].body)
    assert found
    return found[1]


def open_link(client, link):
    """Follow the link to the form; Django keeps the token out of the form's address."""
    return client.get(link, follow=True)


def test_a_change_keeps_this_login_and_ends_the_others(owner, here, changes):
    other = FormClient()
    other.force_login(owner)
    fields = {"old_password": "owner-password", "new_password1": NEW, "new_password2": NEW}
    assert post(here, "/account/password", **fields)["Location"] == "/account/password"
    assert here.get("/account").status_code == 200
    assert other.get("/account").status_code == 302
    owner.refresh_from_db()
    assert owner.check_password(NEW)
    assert changes == [(AccountChange.PASSWORD_CHANGED, "owner", owner, "127.0.0.1")]


def test_a_wrong_old_password_changes_nothing_and_counts_as_a_failed_login(owner, here, settings):
    settings.AXES_FAILURE_LIMIT = 2
    fields = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    page = post(here, "/account/password", **fields)
    assert page.context["form"].errors["old_password"] == ["This is not your password."]
    field = page.context["form"]["old_password"].as_widget()
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_old_password_error"' in field
    assert 'id="id_old_password_error"' in page.content.decode()
    post(here, "/account/password", **fields)
    right = {**fields, "old_password": "owner-password"}
    assert "Too many failed logins" in post(here, "/account/password", **right).content.decode()
    owner.refresh_from_db()
    assert owner.check_password("owner-password")


def test_a_weak_new_password_is_refused(owner, here):
    fields = {"old_password": "owner-password", "new_password1": "12345", "new_password2": "12345"}
    assert post(here, "/account/password", **fields).status_code == 200
    owner.refresh_from_db()
    assert owner.check_password("owner-password")


def test_a_mailed_link_sets_a_password_once(owner, client, changes):
    assert ask_for_reset(client)["Location"] == "/password-reset/sent"
    assert mail.outbox[0].to == ["owner@example.org"]
    link = mailed_link()
    page = open_link(client, link)
    assert page.context["validlink"]
    path = page.request["PATH_INFO"]
    assert post(client, path, new_password1=NEW, new_password2=NEW)["Location"] == "/login"
    owner.refresh_from_db()
    assert owner.check_password(NEW)
    assert changes == [(AccountChange.PASSWORD_RESET, "owner", owner, "127.0.0.1")]
    assert not open_link(FormClient(), link).context["validlink"]


def test_a_link_of_yesterday_is_no_good(owner, client, settings):
    ask_for_reset(client)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert not open_link(client, mailed_link()).context["validlink"]


def test_the_reply_does_not_tell_who_has_an_account(owner, client):
    known, unknown = ask_for_reset(client), ask_for_reset(client, "nobody@example.org")
    assert known.status_code == unknown.status_code == 302
    assert known["Location"] == unknown["Location"]
    assert len(mail.outbox) == 1


def test_the_mail_is_sent_after_the_reply(owner, client, monkeypatch):
    def fail(*_, **__):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)
    assert ask_for_reset(client).status_code == 302


def test_a_disabled_user_gets_no_mail(owner, client):
    User.objects.update(is_active=False)
    ask_for_reset(client)
    assert mail.outbox == []


def test_mail_to_one_address_is_throttled_whoever_asks(owner, settings):
    settings.PASSWORD_RESETS_PER_HOUR = 2
    for number in range(2):
        assert ask_for_reset(FormClient(REMOTE_ADDR=f"192.0.2.{number}")).status_code == 302
    refused = ask_for_reset(FormClient(REMOTE_ADDR="192.0.2.9"), "Owner@Example.org")
    assert refused.status_code == 429
    assert "Too many requests" in refused.content.decode()
    assert len(mail.outbox) == 2


def test_mail_from_one_address_is_throttled_whoever_it_is_for(owner, client, settings):
    settings.PASSWORD_RESETS_PER_HOUR = 2
    for number in range(2):
        assert ask_for_reset(client, f"{number}@example.org").status_code == 302
    assert ask_for_reset(client).status_code == 429
    assert mail.outbox == []


def test_without_redis_no_mail_goes_out_uncounted(owner, client, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert ask_for_reset(client).status_code == 429
    assert mail.outbox == []
