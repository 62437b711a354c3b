"""`manage.py create_demo_users`: passwords are made once and shown once."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, db):
    monkeypatch.delenv("DEMO_USER", raising=False)
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)


def run(*options) -> str:
    output = StringIO()
    call_command("create_demo_users", *options, stdout=output)
    return output.getvalue()


def has_password(username, password) -> bool:
    return User.objects.get(username=username).check_password(password)


def users() -> dict[str, dict]:
    return {user["username"]: user for user in json.loads(run("--json"))}


def test_an_operator_and_a_user_with_passwords_of_their_own():
    made = users()
    assert made["operator"]["operator"]
    assert not made["demo"]["operator"]
    assert made["operator"]["password"] != made["demo"]["password"]
    for name, user in made.items():
        assert len(user["password"]) >= 20
        assert has_password(name, user["password"])
    assert User.objects.get(username="operator").is_staff
    assert not User.objects.get(username="demo").is_staff
    assert not User.objects.filter(is_superuser=True).exists()


def test_a_second_run_changes_nothing_and_shows_nothing():
    before = users()["demo"]["password"]
    again = run()
    assert again.splitlines() == [
        "operator operator: exists, password unchanged; manage.py changepassword sets another",
        "user demo: exists, password unchanged; manage.py changepassword sets another",
    ]
    assert users()["demo"]["password"] is None
    assert has_password("demo", before)


def test_name_and_password_may_be_given(monkeypatch):
    monkeypatch.setenv("DEMO_USER", "ada")
    monkeypatch.setenv("DEMO_PASSWORD", "chosen")
    assert users()["ada"]["password"] == "chosen"
    assert users()["ada"]["password"] is None
    monkeypatch.setenv("DEMO_PASSWORD", "chosen again")
    assert "user ada: password chosen again" in run()
    assert has_password("ada", "chosen again")


def test_the_operator_is_not_the_demo_user(monkeypatch):
    monkeypatch.setenv("DEMO_USER", "operator")
    monkeypatch.setenv("DEMO_PASSWORD", "known")
    with pytest.raises(CommandError, match="operator"):
        run()
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["x" * 500, "two words", "line\nbreak"])
def test_a_name_that_nobody_can_log_in_with(monkeypatch, name):
    monkeypatch.setenv("DEMO_USER", name)
    with pytest.raises(CommandError, match="The demo user can't be named"):
        run()
    assert not User.objects.exists()


def test_an_existing_user_is_not_made_staff():
    User.objects.create_user("operator", password="x")
    run()
    assert not User.objects.get(username="operator").is_staff
