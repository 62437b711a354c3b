"""Login and logout in the browser.

Guards against: redirects to other sites, guessing passwords on one door after the other, a
stranger locking an owner out, telling which usernames exist, logging out by a link.
"""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.accounts.lockout import USERNAME_LEEWAY
from apps.accounts.logins import LoginRefused, client_address, log_in
from apps.accounts.signals import AccountChange

FORM = "application/x-www-form-urlencoded"


def log_in_as(client, username, password=None, *, door="/login", next_url=""):
    body = {"username": username, "password": password or f"{username}-password"}
    return client.post(door, urlencode({**body, "next": next_url}), content_type=FORM)


def is_logged_in(client) -> bool:
    return "_auth_user_id" in client.session


def test_the_page_has_the_inputs_it_promises(db, client):
    page = client.get("/login").content.decode()
    assert 'name="username"' in page
    assert 'name="password"' in page
    assert 'name="csrfmiddlewaretoken"' in page


def test_the_right_password_logs_in(owner, stranger, client):
    response = log_in_as(client, "owner")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(owner.pk)


@pytest.mark.parametrize(
    ("wish", "destination"),
    [
        ("/admin/", "/admin/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\evil.example", "/"),
    ],
)
def test_next_stays_on_this_site(owner, client, wish, destination):
    assert log_in_as(client, "owner", next_url=wish)["Location"] == destination


def test_refusals_read_the_same(owner, stranger, client):
    stranger.is_active = False
    stranger.save()
    pages = [
        log_in_as(client, "owner", "wrong"),
        log_in_as(client, "nobody", "wrong"),
        log_in_as(client, "stranger"),
    ]
    assert {str(page.context["form"].non_field_errors()) for page in pages} == {
        str(pages[0].context["form"].non_field_errors())
    }
    assert "username or the password is wrong" in pages[0].content.decode()
    assert not is_logged_in(client)


def test_the_form_needs_its_csrf_token(owner):
    client = Client(enforce_csrf_checks=True)
    assert log_in_as(client, "owner").status_code == 403
    assert not is_logged_in(client)


@pytest.mark.parametrize("door", ["/login", "/admin/login/"])
def test_failures_on_any_door_count_together(owner, client, door, settings):
    for _ in range(settings.LOGIN_FAILURE_LIMIT):
        log_in_as(client, "owner", "wrong")
    page = log_in_as(client, "owner", door=door)
    assert "Too many failed logins" in page.content.decode()
    assert not is_logged_in(client)


def test_below_the_limit_nobody_is_locked_out(owner, client, settings):
    for _ in range(settings.LOGIN_FAILURE_LIMIT - 1):
        log_in_as(client, "owner", "wrong")
    log_in_as(client, "owner")
    assert is_logged_in(client)


def test_the_page_says_how_long_a_lock_out_lasts_to_programs_too(owner, client, settings):
    settings.AXES_FAILURE_LIMIT = 1
    log_in_as(client, "owner", "wrong")
    page = log_in_as(client, "owner")
    assert page.status_code == 429
    assert 0 < int(page["Retry-After"]) <= settings.LOGIN_LOCKOUT_SECONDS
    assert "Try again in 5 minutes." in page.content.decode()


def test_a_lock_out_ends(owner, client, settings):
    settings.AXES_FAILURE_LIMIT = 1
    log_in_as(client, "owner", "wrong")
    began = timezone.now() - timedelta(seconds=settings.LOGIN_LOCKOUT_SECONDS + 1)
    AccessAttempt.objects.update(attempt_time=began)
    log_in_as(client, "owner")
    assert is_logged_in(client)


def test_trying_while_locked_out_does_not_prolong_it(owner, client, settings):
    settings.AXES_FAILURE_LIMIT = 1
    log_in_as(client, "owner", "wrong")
    before = AccessAttempt.objects.get()
    log_in_as(client, "owner", "wrong")
    after = AccessAttempt.objects.get()
    assert (after.attempt_time, after.failures_since_start) == (before.attempt_time, 1)


def test_a_lock_out_reads_the_same_for_names_that_do_not_exist(db, client, settings):
    settings.AXES_FAILURE_LIMIT = 1
    for _ in range(2):
        page = log_in_as(client, "nobody", "wrong")
    assert "Too many failed logins" in page.content.decode()


def test_a_stranger_who_guesses_does_not_lock_the_owner_out(owner, settings):
    guesser = Client(REMOTE_ADDR="203.0.113.9")
    for _ in range(settings.LOGIN_FAILURE_LIMIT + 5):
        log_in_as(guesser, "owner", "wrong")
    home = Client(REMOTE_ADDR="192.0.2.1")
    log_in_as(home, "owner")
    assert is_logged_in(home)


def test_many_guessers_at_one_name_lock_it(owner, stranger, settings):
    settings.AXES_FAILURE_LIMIT = 2
    for number in range(2 * USERNAME_LEEWAY):
        log_in_as(Client(REMOTE_ADDR=f"203.0.113.{number}"), "Owner", "wrong")
    home, other = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="192.0.2.2")
    log_in_as(home, "owner")
    log_in_as(other, "stranger")
    assert (is_logged_in(home), is_logged_in(other)) == (False, True)


def test_an_ipv6_customer_counts_as_one(owner, settings):
    settings.AXES_FAILURE_LIMIT = 2
    for number in range(2):
        log_in_as(Client(REMOTE_ADDR=f"2001:db8:1:2::{number}"), "owner", "wrong")
    same, other = Client(REMOTE_ADDR="2001:db8:1:2::ffff"), Client(REMOTE_ADDR="2001:db8:1:3::1")
    log_in_as(same, "owner")
    log_in_as(other, "owner")
    assert (is_logged_in(same), is_logged_in(other)) == (False, True)


def test_success_is_no_failure(owner, client, settings):
    for _ in range(settings.LOGIN_FAILURE_LIMIT + 1):
        log_in_as(client, "owner")
        client.logout()
    log_in_as(client, "owner")
    assert is_logged_in(client)


def test_a_lock_out_is_told_once(owner, client, settings, changes):
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(4):
        log_in_as(client, "owner", "wrong")
    assert changes == [(AccountChange.LOCKED_OUT, "owner", None, "127.0.0.1")]


def test_no_password_is_kept_of_a_failure(owner, client):
    log_in_as(client, "owner", "nearly-the-password")
    kept = AccessAttempt.objects.values_list("get_data", "post_data", "username").get()
    assert "nearly" not in str(kept)
    assert kept[2] == "owner"


def test_login_works_without_redis(owner, client, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert log_in_as(client, "owner", "wrong").status_code == 200
    assert log_in_as(client, "owner").status_code == 302
    body = {"username": "owner", "password": "owner-password"}
    reply = client.post("/api/token", body, content_type="application/json")
    assert reply.status_code == 201


def test_a_login_ends_with_the_browser_unless_remembered(owner, client, settings):
    log_in_as(client, "owner")
    assert client.cookies["sessionid"]["max-age"] == ""
    client.logout()
    body = {"username": "owner", "password": "owner-password", "remember": "on"}
    client.post("/login", urlencode(body), content_type=FORM)
    assert client.cookies["sessionid"]["max-age"] == settings.LOGIN_REMEMBER_DAYS * 86_400


def test_a_refusal_names_its_reason_for_programs(owner):
    request = RequestFactory().post("/login")
    with pytest.raises(LoginRefused) as refusal:
        log_in(request, username="owner", password="wrong")
    assert refusal.value.code == "invalid_credentials"
    assert log_in(request, username="owner", password="owner-password") == owner


@pytest.mark.parametrize(
    ("reported", "address"),
    [("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("", None), ("unix:", None)],
)
def test_the_address_is_one_or_none(reported, address):
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=reported)) == address


def test_logging_out_takes_a_post(owner, client):
    client.force_login(owner)
    assert client.get("/logout").status_code == 405
    assert is_logged_in(client)
    response = client.post("/logout", content_type=FORM)
    assert (response.status_code, response["Location"]) == (302, "/login")
    assert not is_logged_in(client)


def test_the_admin_is_for_staff(owner, client):
    page = log_in_as(client, "owner", door="/admin/login/")
    assert not is_logged_in(client)
    assert page.status_code == 200
    owner.is_staff = True
    owner.save()
    log_in_as(client, "owner", door="/admin/login/")
    assert is_logged_in(client)
