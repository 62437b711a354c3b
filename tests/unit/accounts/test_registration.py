"""Registration with its mailed link.

Guards against: registering where it isn't allowed, telling which accounts exist, links used
twice or too late, opening what an operator has closed, mail by the hundred.
"""

import re

import pytest
from django.core import mail

from apps.accounts.models import User
from apps.accounts.signals import AccountChange
from tests.form_client import FormClient

PASSWORD = "a-long-new-password"


@pytest.fixture(autouse=True)
def allowed(settings, db):
    settings.ALLOW_REGISTRATION = True


def register(client, email="ada@example.org", password=PASSWORD):
    return client.post("/register", {"email": email, "password": password})


def open_account(client, link: str, *, password=PASSWORD):
    """Use a mailed link as its page does."""
    return client.post(link, {"password": password})


def mailed_link() -> str:
    found = re.search(r"http://testserver(/register/confirm/\S+)", mail.outbox[-1].body)
    assert found
    return found[1]


def can_log_in(username="ada@example.org", password=PASSWORD) -> bool:
    client = FormClient()
    client.post("/login", {"username": username, "password": password})
    return "_auth_user_id" in client.session


def test_a_link_opens_the_account_once(client, changes):
    assert register(client)["Location"] == "/register/sent"
    assert not can_log_in()
    link = mailed_link()
    page = client.get(link)
    assert "ada@example.org" in page.content.decode()
    assert not can_log_in()  # Looking at the link opens nothing.
    assert open_account(client, link)["Location"] == "/login"
    assert can_log_in()
    assert can_log_in("Ada@Example.org")
    user = User.objects.get()
    assert (user.email, user.is_staff) == ("ada@example.org", False)
    assert changes == [
        (AccountChange.REGISTERED, "ada@example.org", None, "127.0.0.1"),
        (AccountChange.CONFIRMED, "ada@example.org", user, "127.0.0.1"),
    ]
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410


def test_what_an_operator_has_disabled_no_link_opens(client):
    register(client)
    link = mailed_link()
    open_account(client, link)
    User.objects.update(is_active=False)
    assert client.post(link).status_code == 410
    register(client)
    assert "already" in mail.outbox[-1].subject
    assert not can_log_in()


def test_a_link_grows_old(client, settings):
    register(client)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert client.post(mailed_link()).status_code == 410
    assert not can_log_in()


@pytest.mark.parametrize("link", ["/register/confirm/x/y", "/register/confirm/MQ/abc-def"])
def test_junk_opens_nothing(client, link):
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410


def test_a_reset_token_confirms_nothing(client, owner):
    register(client)
    key = mailed_link().split("/")[3]
    client.post("/password-reset", {"email": "owner@example.org"})
    token = re.search(r"/password-reset/\w+/(\S+)", mail.outbox[-1].body)
    assert token
    assert client.post(f"/register/confirm/{key}/{token[1]}").status_code == 410


def test_the_page_does_not_tell_who_has_an_account(client, owner):
    fresh, known = register(client), register(client, "Owner@example.org")
    assert (fresh.status_code, fresh["Location"]) == (known.status_code, known["Location"])
    assert [message.to for message in mail.outbox] == [["ada@example.org"], ["Owner@example.org"]]
    assert "already" in mail.outbox[1].subject
    owner.refresh_from_db()
    assert owner.check_password("owner-password")
    assert User.objects.count() == 2


def test_registering_again_before_the_confirmation_starts_over(client):
    register(client)
    first = mailed_link()
    register(client, password="another-long-password")
    assert client.post(first).status_code == 410
    open_account(client, mailed_link(), password="another-long-password")
    assert can_log_in(password="another-long-password")
    assert User.objects.count() == 1


def test_whoever_registered_an_address_first_is_not_taken_over(client):
    register(client, password="owner-long-password")
    register(client, password="thief-long-password")
    refused = open_account(client, mailed_link(), password="owner-long-password")
    assert refused.status_code == 400
    assert not can_log_in(password="thief-long-password")
    register(client, password="owner-long-password")
    open_account(client, mailed_link(), password="owner-long-password")
    assert can_log_in(password="owner-long-password")


def test_a_weak_password_or_no_address_is_refused(client):
    for email, password in [("ada@example.org", "12345"), ("ada", PASSWORD)]:
        page = register(client, email, password)
        assert page.status_code == 200
        assert page.context["form"].errors
    assert not User.objects.exists()


def test_registrations_of_one_address_are_throttled(client, settings):
    settings.REGISTRATIONS_PER_HOUR = 2
    for number in range(2):
        assert register(client, f"{number}@example.org").status_code == 302
    assert register(client).status_code == 429
    elsewhere = FormClient(REMOTE_ADDR="198.51.100.7")
    assert register(elsewhere).status_code == 302


@pytest.mark.parametrize("path", ["/register", "/register/sent", "/register/confirm/MQ/a-b"])
def test_where_it_is_not_allowed_there_is_nothing(client, settings, path):
    assert "/register" in client.get("/login").content.decode()
    settings.ALLOW_REGISTRATION = False
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404
    assert "/register" not in client.get("/login").content.decode()
