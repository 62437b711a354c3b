"""An owner and a stranger, and commands run as at a shell."""

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User


@dataclass(frozen=True)
class Ran:
    """What a command printed, and the code that it would exit with."""

    out: str
    error: str
    code: int


@pytest.fixture
def run() -> Callable[..., Ran]:
    """`run("drain", "on")`: as at a shell, but in this process."""

    def run_command(name: str, *arguments: str) -> Ran:
        out = StringIO()
        try:
            call_command(name, *arguments, stdout=out, stderr=StringIO())
        except CommandError as error:
            return Ran(out.getvalue(), str(error), error.returncode)
        except SystemExit as end:
            return Ran(out.getvalue(), "", int(end.code or 0))
        return Ran(out.getvalue(), "", 0)

    return run_command


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner", password="owner-password")


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("stranger", password="stranger-password")
