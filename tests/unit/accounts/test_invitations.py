"""Invitations: by service, by command, on the page.

Guards against: a link used twice or too late, a token that can be read from the database, an
account that takes somebody's name, a failed try that spends the invitation.
"""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.invitations import accept_invitation, create_invitation, find_open_invitation
from apps.accounts.models import Invitation, User
from apps.accounts.signals import AccountChange
from apps.contract import Refusal

PASSWORD = "a-long-new-password"
WEEK = timedelta(days=7)


@pytest.fixture
def token(owner) -> str:
    _, token = create_invitation(actor=owner, email="ada@example.org", valid_for=WEEK)
    return token


def accept(token, username="ada"):
    return accept_invitation(token, username=username, password=PASSWORD, address="192.0.2.1")


def test_an_invitation_makes_one_account(owner, changes):
    invitation, token = create_invitation(actor=owner, email="ada@example.org", valid_for=WEEK)
    user = accept(token)
    invitation.refresh_from_db()
    assert (invitation.used_by, invitation.created_by) == (user, owner)
    assert invitation.used_at is not None
    assert user.check_password(PASSWORD)
    assert not user.is_staff
    with pytest.raises(Refusal) as refusal:
        accept(token, "eve")
    assert refusal.value.code == "invitation_invalid"
    assert not User.objects.filter(username="eve").exists()
    assert changes == [
        (AccountChange.INVITED, "ada@example.org", owner, None),
        (AccountChange.JOINED, "ada", user, "192.0.2.1"),
    ]


def test_the_token_is_stored_nowhere(token):
    row = Invitation.objects.values().get()
    assert token not in str(row)
    assert len(row["token_hash"]) == 64


def test_an_old_invitation_is_no_good(token):
    Invitation.objects.update(expires_at=timezone.now())
    assert find_open_invitation(token) is None
    with pytest.raises(Refusal, match="invitation is not valid"):
        accept(token)


@pytest.mark.parametrize("junk", ["", "x", "\ud800"])
def test_junk_is_no_invitation(db, junk):
    assert find_open_invitation(junk) is None
    with pytest.raises(Refusal, match="invitation is not valid"):
        accept(junk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["taken", "TAKEN"])
def test_a_taken_name_does_not_spend_the_invitation(name: str):
    User.objects.create_user("taken")
    _, token = create_invitation(actor=None, valid_for=WEEK)
    with pytest.raises(Refusal) as refusal:
        accept(token, name)
    assert refusal.value.code == "username_taken"
    assert accept(token).username == "ada"


# --- The page -----------------------------------------------------------------------------------


def join(client, token, **fields):
    answers = {"username": "ada", "email": "", "password": PASSWORD, **fields}
    return client.post(f"/invitation/{token}", answers)


def test_the_page_joins_and_logs_in(token, client):
    page = client.get(f"/invitation/{token}")
    assert 'value="ada@example.org"' in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    response = join(client, token, email="ada@example.org")
    assert (response.status_code, response["Location"]) == (302, "/")
    user = User.objects.get(username="ada")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.email == "ada@example.org"
    assert client.get(f"/invitation/{token}").status_code == 410
    assert join(client, token, username="eve").status_code == 410


@pytest.mark.parametrize(
    "fields", [{"username": "owner"}, {"username": "a b"}, {"password": "12345"}, {"email": "x"}]
)
def test_what_is_wrong_is_said_at_its_field(token, client, fields):
    page = join(client, token, **fields)
    assert page.status_code == 200
    assert list(page.context["form"].errors) == list(fields)
    assert find_open_invitation(token)


# --- The command --------------------------------------------------------------------------------


def run(*options) -> tuple[str, str]:
    output, notes = StringIO(), StringIO()
    call_command("create_invitation", *options, stdout=output, stderr=notes)
    return output.getvalue(), notes.getvalue()


def test_the_command_prints_a_link_that_works(db, client, settings):
    settings.PUBLIC_URL = "https://camera.example.org/"
    link, note = run("--days", "2")
    assert link.startswith("https://camera.example.org/invitation/")
    assert "Good once" in note
    path = link.strip().removeprefix("https://camera.example.org")
    assert client.get(path).status_code == 200
    left = Invitation.objects.get().expires_at - timezone.now()
    assert timedelta(days=1) < left <= timedelta(days=2)


def test_the_command_speaks_json(db):
    output, note = run("--json", "--email", "ada@example.org")
    facts = json.loads(output)
    assert facts.keys() == {"url", "email", "expires_at"}
    assert facts["email"] == "ada@example.org"
    assert note == ""


@pytest.mark.parametrize("options", [("--days", "0"), ("--days", "366"), ("--email", "ada")])
def test_the_command_refuses_nonsense(db, options):
    with pytest.raises(CommandError):
        run(*options)
    assert not Invitation.objects.exists()
