"""What all commands have: examples in their help, progress on a terminal only, no traceback."""

from io import StringIO

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import OutputWrapper
from django.db import OperationalError

from apps.maintenance.command import Progress
from apps.maintenance.management.commands import list_sessions

OURS = sorted(name for name, app in get_commands().items() if app == "apps.maintenance")


def test_these_are_all():
    assert OURS == [
        "backup_database",
        "drain",
        "end_sessions",
        "expire_sessions",
        "issue_token",
        "list_sessions",
        "purge_records",
        "qwencam_doctor",
        "restore_database",
    ]


@pytest.mark.parametrize("name", OURS)
def test_help_shows_examples_line_by_line(name):
    command = load_command_class("apps.maintenance", name)
    text = command.create_parser("manage.py", name).format_help()
    examples = command.examples.splitlines()
    assert examples
    for line in examples:
        assert f"manage.py {name}" in line
        assert line in text.splitlines()
    assert "--json" in text


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def progress_on(stream: StringIO) -> str:
    with Progress(OutputWrapper(stream), of=3, what="sessions ended") as progress:
        progress.add()
        progress.add(2)
    return stream.getvalue()


def test_progress_is_rewritten_in_place():
    shown = progress_on(Terminal())
    assert shown == "\r\033[K1 of 3 sessions ended\r\033[K3 of 3 sessions ended\r\033[K"


def test_no_progress_into_a_file():
    assert progress_on(StringIO()) == ""


def test_a_database_that_fails_is_a_sentence(run, monkeypatch):
    def fail(**_):
        raise OperationalError("no such table")

    monkeypatch.setattr(list_sessions, "_chosen", fail)
    ran = run("list_sessions")
    assert ran.code == 1
    assert ran.error.startswith("The database can't be used (no such table).")
