"""Backs up the whole database to one file, and restores it.

SQLite's own backup of a database in use; PostgreSQL's ``pg_dump`` in its custom format. Restoring
replaces everything, also tables that the copy does not have, in one transaction: it happens wholly
or not at all.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

Database = Mapping[str, Any]
"""One of Django's ``DATABASES``."""

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_POSTGRESQL_MAGIC: Final = b"PGDMP"

# All names are read before the first drop: CASCADE drops others too, and the name of what is gone
# can't be read any more. What belongs to an extension stays.
_EMPTY_SCHEMA: Final = """
DO $$
DECLARE
    what text;
BEGIN
    FOREACH what IN ARRAY ARRAY(
        SELECT format('%s %s', kind, name) FROM (
            SELECT 1 AS rank, oid, oid::regclass::text AS name, CASE relkind
                WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
            FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r','p','v','m','S')
            UNION ALL
            SELECT 2, oid, oid::regprocedure::text, 'ROUTINE' FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace
        ) AS things
        WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = things.oid AND deptype = 'e')
        ORDER BY rank, kind DESC
    )
    LOOP
        BEGIN
            EXECUTE 'DROP ' || what || ' CASCADE';
        EXCEPTION WHEN undefined_table OR undefined_function THEN
            NULL;  -- It went with another.
        END;
    END LOOP;
END $$;
"""

# How pg_restore prints a table's rows, up to PostgreSQL 18.
_ROWS: Final = re.compile(rb"^COPY [^\n]+ FROM stdin;\n", re.MULTILINE)
_END_OF_ROWS: Final = re.compile(rb"^\\\.\n", re.MULTILINE)
_RESTRICTION: Final = re.compile(rb"^\\restrict (\w+)\n", re.MULTILINE)
_HEAD_BYTES: Final = 400  # Where that first command stands; behind it the text may be a row's.


class CopyFailed(Exception):
    """A copy could not be made or restored; the sentence says why. Nothing has changed."""


def back_up(database: Database, *, to: Path) -> None:
    """Write the database to the new file ``to``, readable by its owner only.

    Raises:
        CopyFailed: there is such a file already, or the copy can't be made.
    """
    if to.exists():
        raise CopyFailed(f"{to} exists already: name a new file.")
    partial = to.with_name(f"{to.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        if _is_sqlite(database):
            _copy_sqlite(Path(database["NAME"]), partial)
        else:
            _dump_postgresql(database, partial)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(to)
        _flush_folder(to.parent)
    except OSError as error:
        raise CopyFailed(f"{to} can't be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def restore(database: Database, *, copy: Path) -> None:
    """Replace the database's whole content by that of ``copy``. Nobody else may be using it.

    Raises:
        CopyFailed: it is no whole copy of such a database, or it can't be restored.
    """
    if _is_sqlite(database):
        check(database, copy=copy)
        _copy_sqlite(copy, Path(database["NAME"]))
        return
    _restore_postgresql(database, copy)


def check(database: Database, *, copy: Path) -> None:
    """Look whether ``restore`` could begin; the database is not even asked.

    Raises:
        CopyFailed: it is no whole copy of such a database.
    """
    if _is_sqlite(database):
        if _magic(copy) != _SQLITE_MAGIC:
            raise CopyFailed(f"{copy} is no copy of an SQLite database.")
        _check_sqlite(copy)
        return
    _script_of(copy, database)


def _magic(copy: Path) -> bytes:
    """Return the file's first bytes, which say of which kind it is."""
    try:
        with copy.open("rb") as file:
            return file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise CopyFailed(f"{copy} can't be read: {error.strerror}.") from error


def _flush_folder(folder: Path) -> None:
    """Write the folder itself to disk: a new name in it would not survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_sqlite(database: Database) -> bool:
    return str(database["ENGINE"]).endswith("sqlite3")


def _check_sqlite(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise CopyFailed(f"{copy} is damaged: {error}.") from error
    if verdict != "ok":
        raise CopyFailed(f"{copy} is damaged: {verdict}.")


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy page by page in one transaction; either may be in use by others."""
    try:
        with (
            closing(sqlite3.connect(source, timeout=20)) as origin,
            closing(sqlite3.connect(target, timeout=20)) as copy,
        ):
            origin.backup(copy)
    except sqlite3.Error as error:
        raise CopyFailed(f"SQLite could not copy {source} to {target}: {error}.") from error


def _dump_postgresql(database: Database, file: Path) -> None:
    command = [_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
    with file.open("wb") as output:
        _run(command, database, stdout=output)


def _script_of(copy: Path, database: Database) -> bytes:
    """Return all of it, statements and rows: without frames and conversations it is small."""
    if not _magic(copy).startswith(_POSTGRESQL_MAGIC):
        raise CopyFailed(f"{copy} is no copy of a PostgreSQL database (pg_dump -Fc).")
    script = [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(copy)]
    return _without_restriction(_run(script, database, stdout=subprocess.PIPE))


def _restore_postgresql(database: Database, copy: Path) -> None:
    statements = _script_of(copy, database)  # A damaged file is noticed before anything is dropped.
    place = make_conninfo("", **_connection(database))
    try:
        with psycopg.connect(place) as connection, connection.cursor() as cursor:
            cursor.execute(_EMPTY_SCHEMA)
            _execute(cursor, statements)
    except psycopg.Error as error:
        problem = str(error).strip().splitlines() or [type(error).__name__]
        raise CopyFailed(f"PostgreSQL does not take it: {problem[0]}") from error


def _without_restriction(script: bytes) -> bytes:
    """Drop psql's commands \\restrict and \\unrestrict, which newer versions of pg_restore add."""
    found = _RESTRICTION.search(script[:_HEAD_BYTES])
    if found is None:
        return script
    key = found[1]
    for line in (b"\\restrict " + key, b"\\unrestrict " + key):
        script = script.replace(line + b"\n", b"")
    return script


def _execute(cursor: psycopg.Cursor[Any], script: bytes) -> None:
    """Run what pg_restore prints, rows included, in the cursor's transaction.

    Not by psql: whatever else a file of unknown origin makes of the database, no line of it is a
    command to a shell on this host.
    """
    while (rows := _ROWS.search(script)) is not None:
        cursor.execute(script[: rows.start()])
        end = _END_OF_ROWS.search(script, rows.end())
        if end is None:
            raise CopyFailed("The copy is damaged: a table's rows have no end.")
        with cursor.copy(rows[0]) as table:
            table.write(script[rows.end() : end.start()])
        script = script[end.end() :]
    cursor.execute(script)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CopyFailed(f"{name} is not installed: apt-get install postgresql-client.")
    return found


def _run(command: list[str], database: Database, *, stdout: Any) -> bytes:
    """Run one of PostgreSQL's programs on the database; return what it wrote to a pipe."""
    done = subprocess.run(  # noqa: S603
        command,
        env={**os.environ, **_variables(database)},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        problem = done.stderr.decode(errors="replace").strip().splitlines()
        name = Path(command[0]).name
        raise CopyFailed(f"{name} failed: {problem[0] if problem else done.returncode}")
    output: bytes = done.stdout or b""
    return output


def _connection(database: Database) -> dict[str, str]:
    """Return the database as libpq's keywords."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    found = {names[key]: str(database[key]) for key in names if database.get(key)}
    if database.get("PORT"):
        found["port"] = str(database["PORT"])
    if mode := database.get("OPTIONS", {}).get("sslmode"):
        found["sslmode"] = str(mode)
    return found


def _variables(database: Database) -> dict[str, str]:
    """Return libpq's variables; a password on a command line would be seen by everybody."""
    found = _connection(database)
    if "dbname" in found:
        found["database"] = found.pop("dbname")
    return {f"PG{name.upper()}": value for name, value in found.items()}
