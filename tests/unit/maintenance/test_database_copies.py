"""Backing up and restoring, on both databases: everything comes back, and nothing else stays."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.maintenance.database_copies import CopyFailed, back_up, check, restore
from tests.postgres import PostgresServer, binaries

TABLES = (
    "CREATE TABLE person (id {id} PRIMARY KEY, name text)",
    "CREATE TABLE login (id {id} PRIMARY KEY, person_id integer REFERENCES person (id))",
    "INSERT INTO person (name) VALUES ('Ada')",
    "INSERT INTO login (person_id) SELECT id FROM person",
    "CREATE VIEW people AS SELECT name FROM person",
)
LATER = (
    "DELETE FROM login",
    "DELETE FROM person",
    "CREATE TABLE newer (id {id} PRIMARY KEY)",
    "ALTER TABLE person ADD COLUMN age integer",
)
DEFAULT = "x" * 200
ODD = ("\\.", "a\tb\n\\restrict x\n\nCOPY odd FROM stdin;\n\\.\n", "100 %s", None)
ON_POSTGRESQL = (
    "CREATE TABLE nothing (id {id} PRIMARY KEY)",
    f"CREATE TABLE odd (id {{id}}, line text DEFAULT '{DEFAULT}')",
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE 'append-only'; END $$",
    "CREATE TRIGGER kept BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION refuse()",
)


def sqlite_run(file: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        rows: list[Any] = []
        for statement in statements:
            rows = database.execute(statement.format(id="integer")).fetchall()
        database.commit()
    return rows


@pytest.fixture
def sqlite(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "db.sqlite3"
    sqlite_run(file, "PRAGMA journal_mode=WAL", *TABLES)
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}


def test_sqlite_comes_back_while_somebody_has_it_open(sqlite: dict[str, Any], tmp_path: Path):
    file, copy = Path(sqlite["NAME"]), tmp_path / "copy"
    with closing(sqlite3.connect(file)) as user:
        assert user.execute("SELECT name FROM people").fetchall() == [("Ada",)]
        back_up(sqlite, to=copy)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        sqlite_run(file, *LATER)
        restore(sqlite, copy=copy)
        assert user.execute("SELECT name FROM people").fetchall() == [("Ada",)]
    names = sqlite_run(file, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert names == [("login",), ("person",)]


def test_what_is_no_copy_changes_nothing(sqlite: dict[str, Any], tmp_path: Path):
    copy = tmp_path / "copy"
    back_up(sqlite, to=copy)
    with pytest.raises(CopyFailed, match="exists already"):
        back_up(sqlite, to=copy)
    with pytest.raises(CopyFailed, match="can't be written: No such file"):
        back_up(sqlite, to=tmp_path / "absent" / "copy")
    whole = copy.read_bytes()
    for content, problem in (
        (b"hello", "no copy of an SQLite database"),
        (whole[: len(whole) // 2], "is damaged"),
    ):
        copy.write_bytes(content)
        with pytest.raises(CopyFailed, match=problem):
            restore(sqlite, copy=copy)
    with pytest.raises(CopyFailed, match="can't be read: No such file"):
        restore(sqlite, copy=tmp_path / "absent")
    assert sqlite_run(Path(sqlite["NAME"]), "SELECT name FROM people") == [("Ada",)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgresql(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("PATH", f"{binaries()}:{os.environ['PATH']}")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": "unused",
        "HOST": "127.0.0.1",
        "PORT": server.port,
    }
    with psycopg.connect(server.url, autocommit=True) as user:
        user.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        for statement in (*TABLES, *ON_POSTGRESQL):
            user.execute(statement.format(id="serial"))
        for line in ODD:
            user.execute("INSERT INTO odd (line) VALUES (%s)", [line])
    return database


def test_postgresql_comes_back(postgresql: dict[str, Any], server: PostgresServer, tmp_path: Path):
    copy = tmp_path / "copy"
    back_up(postgresql, to=copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with psycopg.connect(server.url, autocommit=True) as user:
        for statement in (*LATER, "CREATE FUNCTION newer() RETURNS int LANGUAGE sql AS 'SELECT 1'"):
            user.execute(statement.format(id="serial"))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(copy.read_bytes()[:-300])
    for act in (check, restore):
        with pytest.raises(CopyFailed, match="pg_restore failed"):
            act(postgresql, copy=damaged)
    check(postgresql, copy=copy)
    restore(postgresql, copy=copy)
    with psycopg.connect(server.url, autocommit=True) as user:
        assert user.execute("SELECT * FROM person").fetchall() == [(1, "Ada")]
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        listed = [("login",), ("nothing",), ("odd",), ("person",)]
        assert user.execute(tables).fetchall() == listed
        lines = user.execute("SELECT line FROM odd ORDER BY id").fetchall()
        assert lines == [(line,) for line in ODD]
        routines = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        assert user.execute(routines).fetchall() == [("refuse",)]
        user.execute("INSERT INTO person (name) VALUES ('Grace')")
        with pytest.raises(psycopg.Error, match="append-only"):
            user.execute("UPDATE person SET name = 'Eve'")
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"SQLite format 3\0")
    with pytest.raises(CopyFailed, match="no copy of a PostgreSQL database"):
        restore(postgresql, copy=wrong)


def without_restriction(folder: Path) -> None:
    """Make a pg_restore as those before August 2025: nothing keeps psql from a file's commands."""
    folder.mkdir()
    program = folder / "pg_restore"
    real = binaries() / "pg_restore"
    program.write_text(f"#!/bin/sh\n{real} \"$@\" | sed -E '/^.(un)?restrict /d'\n")
    program.chmod(0o755)


@pytest.mark.parametrize("old", [False, True])
def test_no_line_of_a_hostile_copy_is_run_on_this_host(
    postgresql: dict[str, Any],
    server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: bool,
):
    """psql, which the script is meant for, takes ``\\!`` at any place as a command for a shell."""
    if old:
        without_restriction(tmp_path / "old")
        monkeypatch.setenv("PATH", f"{tmp_path}/old:{os.environ['PATH']}")
    copy, marker = tmp_path / "copy", tmp_path / "marker"
    back_up(postgresql, to=copy)
    hostile = f"'\n\\! touch {marker}\n".ljust(len(DEFAULT), "-").encode()
    content = copy.read_bytes()
    assert content.count(DEFAULT.encode()) == 1
    copy.write_bytes(content.replace(DEFAULT.encode(), hostile))
    with pytest.raises(CopyFailed, match="PostgreSQL does not take it: "):
        restore(postgresql, copy=copy)
    assert not marker.exists()
    with psycopg.connect(server.url, autocommit=True) as user:
        assert user.execute("SELECT * FROM person").fetchall() == [(1, "Ada")]


def test_without_postgresqls_programs(postgresql_away: dict[str, Any], tmp_path: Path):
    with pytest.raises(CopyFailed, match="pg_dump is not installed: apt-get install"):
        back_up(postgresql_away, to=tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def postgresql_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    monkeypatch.setenv("PATH", str(tmp_path))
    return {"ENGINE": "django.db.backends.postgresql", "NAME": "n", "HOST": "127.0.0.1"}


def test_the_commands(
    sqlite: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setitem(connection.settings_dict, "NAME", sqlite["NAME"])
    copy = str(tmp_path / "copy")
    call_command("backup_database", copy)
    sqlite_run(Path(sqlite["NAME"]), *LATER)
    call_command("restore_database", copy, "--check")
    assert sqlite_run(Path(sqlite["NAME"]), "SELECT name FROM people") == []
    said = capsys.readouterr().out
    assert f"Backed up to {copy}" in said and f"{copy} is whole." in said
    call_command("restore_database", copy, "--json")
    assert sqlite_run(Path(sqlite["NAME"]), "SELECT name FROM people") == [("Ada",)]
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup_database", copy)
    with pytest.raises(CommandError, match="can't be read"):
        call_command("restore_database", f"{copy}.absent")
