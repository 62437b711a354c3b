"""`manage.py create_operator`: once, with a password that is shown once."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("create_operator", *arguments, stdout=output)
    return output.getvalue()


def test_an_operator_is_made_once(db):
    made = json.loads(run("--json"))
    operator = User.objects.get(username="operator")
    assert made["username"] == "operator" and operator.check_password(made["password"])
    assert operator.is_staff and operator.is_superuser
    assert run() == "operator operator: exists, password unchanged; changepassword sets another\n"
    assert json.loads(run("another", "--json")) == {"username": "operator", "password": None}
    operator.is_active = False
    operator.save()
    assert run("another").startswith("operator another: password ")


@pytest.mark.parametrize("name", ["not a name", "x" * 200])
def test_a_name_that_cannot_be_one(db, name: str):
    with pytest.raises(CommandError, match=r".+: .+\."):
        run(name)
    assert not User.objects.exists()


def test_a_name_that_is_taken(db):
    User.objects.create_user("operator", password="a-long-password")
    with pytest.raises(CommandError, match="already exists"):
        run()
