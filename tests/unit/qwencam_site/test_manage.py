"""`manage.py` with settings that can't be read: one sentence, exit code 1, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"DJANGO_SECRET_KEY": "abcdefghij" * 4, "JWT_SECRET_KEY": "klmnopqrst" * 4}


def manage(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **KEYS, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "settings", "sentence"),
    [
        ("check", {"JWT_SECRET_KEY": "short"}, "JWT_SECRET_KEY is too short"),
        ("list_sessions", {"MAX_SESSIONS": "many"}, "MAX_SESSIONS must be a whole number"),
        ("migrate", {"LOG_FILE": "/nonexistent/x.log"}, "LOG_FILE can't be written"),
        ("drain", {"DATABASE_URL": "nonsense"}, "DATABASE_URL must look like"),
    ],
)
def test_a_wrong_setting_is_one_sentence(command, settings, sentence):
    done = manage(command, **settings)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"A setting is wrong. {sentence}")
    assert (done.returncode, done.stdout) == (1, "")


def test_the_doctor_examines_what_it_can():
    done = manage("qwencam_doctor", "--json", ICE_PORT_RANGE="9-1")
    assert (done.returncode, done.stderr) == (1, "")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["settings"]["status"] == "failed"
    assert checks["settings"]["found"].startswith("ICE_PORT_RANGE must be two ports")
    assert checks["Python"]["status"] == "ok"


def test_a_command_that_works_still_does():
    done = manage("issue_token", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout


def test_the_systems_python_goes_on_with_the_platforms(tmp_path):
    """`-S` and another prefix play a Python that has no Django."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    done = subprocess.run(
        [tmp_path / "bin" / "python", "-S", "manage.py", "issue_token", "--help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **KEYS},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout
