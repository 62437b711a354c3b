"""An installation on a booted host, what tests ask of it, and releases to upgrade it to."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.booted import BootedHost
from tests.camera_client import Message
from tests.ports import free_port
from tests.stack import ROOT

PREFIX = "/srv/qwencam"
OPTIONS = ("--model", "demo", "--vllm", "/srv/vllm", "--environment", "/srv/platform")
OPTIONS += ("--prefix", PREFIX)


class Installation:
    """The host with a PostgreSQL beside it, and what install.sh has said."""

    def __init__(self, host: BootedHost, database_url: str) -> None:
        self.host = host
        self.ports = [free_port(), free_port()]
        self.model_port = free_port()
        self.database_url = database_url
        self.output = ""

    @property
    def web_units(self) -> list[str]:
        return [f"qwen-webrtc@{port}" for port in self.ports]

    @property
    def watched(self) -> tuple[str, ...]:
        """Units of each kind that a watchdog restarts, but for the model server."""
        return ("qwen-worker", "qwen-beat", self.web_units[0])

    def url(self, number: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[number]}"

    def install(self, *arguments: str, check: bool = True) -> str:
        """Run install.sh as an operator with a database of his own and a strict umask."""
        done = self.host.run(
            *("sh", "-c", 'umask 077; exec "$@"', "sh", "/srv/source/deploy/install.sh"),
            *arguments,
            check=check,
            DATABASE_URL=self.database_url,
            VLLM_PORT=str(self.model_port),
        )
        return done.stdout

    def first(self, *arguments: str, check: bool = True) -> str:
        ports = ",".join(map(str, self.ports))
        return self.install(*OPTIONS, "--web-ports", ports, *arguments, check=check)

    def token(self, number: int = 0) -> Message:
        found = re.search(r"operator (\S+): password (\S+)", self.output)
        assert found, self.output
        credentials = {"username": found[1], "password": found[2]}
        reply = httpx.post(f"{self.url(number)}/api/token", json=credentials, timeout=60)
        assert reply.status_code == 201, reply.text
        body: Message = reply.json()
        return body

    def main_pid(self, unit: str) -> int:
        return int(self.host.property(unit, "MainPID"))

    def override(self, unit: str, setting: str) -> None:
        """Set one thing of a service otherwise than as shipped."""
        folder = f"/etc/systemd/system/{unit}.service.d"
        lines = f"[Service]\\n{setting}\\n"
        self.host.run("sh", "-c", f"mkdir {folder} && printf '{lines}' >{folder}/test.conf")
        self.host.run("systemctl", "daemon-reload")

    def as_shipped(self, *units: str) -> None:
        """Take back what was overridden."""
        for unit in units:
            self.host.run("rm", "-r", f"/etc/systemd/system/{unit}.service.d")
        self.host.run("systemctl", "daemon-reload")

    def wait_for(self, condition: Callable[[], bool], *, what: str, patience: float = 120) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.host.journal()}"
            time.sleep(0.25)

    def healthy(self) -> bool:
        try:
            bodies = [httpx.get(f"{self.url(n)}/health", timeout=10).json() for n in range(2)]
        except httpx.TransportError:
            return False
        return all(body["status"] == "ok" for body in bodies)

    def wait_until_healthy(self) -> None:
        self.wait_for(self.healthy, what="It does not become healthy.")


def files_of(host: BootedHost) -> set[str]:
    """Return all paths that are the host's own, but for what every system writes as it runs."""
    seen = ("/srv/platform", "/srv/vllm", "/srv/source", "/srv/checkout", "/opt/python")
    passing = ("/var/log/journal", "/var/lib/systemd", "/var/cache/ldconfig", "/etc/.pwd.lock")
    names = ("*-", ".updated", "__pycache__")  # Backups of passwd; of units that run at the boot.
    left_out = [f"-path {path}" for path in (*seen, *passing)] + [f"-name '{n}'" for n in names]
    folders = "/etc /opt /srv /var /root /usr/local"
    command = f"find {folders} \\( {' -o '.join(left_out)} \\) -prune -o -print"
    return set(host.run("sh", "-c", command).stdout.splitlines())


def copy_source(folder: Path) -> None:
    """Copy what belongs to the repository, so that nobody changes it meanwhile."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def next_release(folder: Path, *, version: str, broken: bool) -> None:
    """Make the source of another release, whose migration makes a table."""
    copy_source(folder)
    package = folder / "qwencam_site" / "__init__.py"
    text = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', package.read_text())
    package.write_text(text)
    migrations = folder / "apps" / "live_settings" / "migrations"
    last = sorted(path.stem for path in migrations.glob("0*.py"))[-1]
    (migrations / "9999_test.py").write_text(
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [('live_settings', '{last}')]\n"
        "    operations = [migrations.RunSQL('CREATE TABLE of_the_next_release (id integer)')]\n"
    )
    if broken:
        health = folder / "qwencam_site" / "health.py"
        head = "async def check_redis() -> str:\n"
        fails = f"{head}    raise CheckFailed('Broken.')\n"
        health.write_text(health.read_text().replace(head, fails, 1))


def _asked(installation: Installation, statement: str) -> list[Any]:
    """Return the first column of what the database answers."""
    with psycopg.connect(installation.database_url) as connection:
        return [row[0] for row in connection.execute(statement).fetchall()]


def users(installation: Installation) -> list[str]:
    return _asked(installation, "SELECT username FROM accounts_user ORDER BY username")


def running_release(installation: Installation) -> str:
    return Path(installation.host.run("readlink", f"{PREFIX}/current").stdout.strip()).name


def has_new_table(installation: Installation) -> bool:
    return _asked(installation, "SELECT to_regclass('of_the_next_release')") != [None]
