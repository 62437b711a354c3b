"""DEPLOY.md's commands for an installation by hand, run as they stand in an empty folder."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What scripts/test.sh has done before any test, with these very commands.
DONE_BEFORE = ("python3 -m venv .venv", ".venv/bin/pip install ")


def commands() -> list[str]:
    section = (ROOT / "DEPLOY.md").read_text().partition("\n## By hand\n")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    return [line.partition("#")[0].strip() for line in found[1].splitlines()]


def test_an_installation_by_hand(tmp_path: Path):
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    output = ""
    for command in commands():
        if command.startswith(DONE_BEFORE):
            continue
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (command, done.stderr)
        output += done.stdout
        if ".env" in command:
            fill_in(tmp_path / ".env", database=tmp_path / "db.sqlite3")
    assert "operator" in output and "password" in output
    assert (tmp_path / "staticfiles").is_dir()


def fill_in(settings: Path, *, database: Path) -> None:
    """Say what the example leaves to its user."""
    assert settings.stat().st_mode & 0o777 == 0o600
    own = {
        "DJANGO_SECRET_KEY": "c" * 60,
        "JWT_SECRET_KEY": "t" * 60,
        "DATABASE_URL": f"sqlite:///{database}",
    }
    lines = [
        f"{name}={own.get(name, value)}"
        for name, _, value in (
            line.partition("=")
            for line in settings.read_text().splitlines()
            if line and not line.startswith("#")
        )
    ]
    assert own.keys() <= {line.partition("=")[0] for line in lines}
    settings.write_text("\n".join([*lines, ""]))
