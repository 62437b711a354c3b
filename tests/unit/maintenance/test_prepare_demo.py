"""`manage.py prepare_demo`: an empty folder becomes a platform that can start; again is no harm."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.settings import USER_ENVIRONMENT
from tests.stack import ROOT


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "prepare_demo"],
        cwd=ROOT,
        env={
            **USER_ENVIRONMENT,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "STATIC_ROOT": str(folder / "static"),
            "REDIS_URL": os.environ["REDIS_URL"],
            "DEMO_USER": "ada",
            "DEMO_PASSWORD": "",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def prepare(folder: Path) -> str:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_from_nothing_and_once_more(tmp_path: Path):
    operator, user = prepare(tmp_path).splitlines()
    assert operator.startswith("operator operator: password ")
    assert user.startswith("user ada: password ")
    assert (tmp_path / "static" / "staticfiles.json").is_file()
    assert prepare(tmp_path).splitlines() == [
        "operator operator: exists, password unchanged; manage.py changepassword sets another",
        "user ada: exists, password unchanged; manage.py changepassword sets another",
    ]
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        rows = database.execute("SELECT username FROM accounts_user ORDER BY username")
        assert [name for (name,) in rows] == ["ada", "operator"]


def test_a_damaged_database_is_named_in_one_sentence(tmp_path: Path):
    (tmp_path / "db.sqlite3").write_bytes(os.urandom(8192))
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert str(tmp_path / "db.sqlite3") in line
    assert "file is not a database" in line
