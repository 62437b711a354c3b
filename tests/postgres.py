"""A PostgreSQL server of a test's own, without persistence worth the name."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.ports import free_port

DEBIAN = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"
"""PostgreSQL refuses to run as root; its package makes this account."""


def binaries() -> Path:
    """Return the folder of initdb and postgres, the newest there is."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    assert versions, "PostgreSQL is not installed: ./scripts/test.sh installs it."
    return versions[-1].parent


class PostgresServer:
    """A server with an empty database on a port of its own; `stop` deletes everything."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgres://{ACCOUNT}@127.0.0.1:{self.port}/postgres"
        # Not below pytest's folders: its account may not enter those of root.
        self._folder = Path(tempfile.mkdtemp(prefix="qwencam-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self, program: str, *arguments: str) -> list[str]:
        account = [f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]
        as_account = ["setpriv", *account] if os.geteuid() == 0 else []
        return [
            *as_account,
            str(binaries() / program),
            "-D",
            str(self._folder / "data"),
            *arguments,
        ]

    def start(self) -> None:
        """Make the database, start the server, and wait until it answers."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, ACCOUNT, ACCOUNT)
        made = subprocess.run(
            self._command("initdb", "-A", "trust", "-U", ACCOUNT, "-E", "UTF8", "--no-sync"),
            capture_output=True,
            text=True,
            cwd=self._folder,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-F"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *options), stdout=log, stderr=log, cwd=self._folder
            )
        deadline = time.monotonic() + 30
        while "ready to accept connections" not in (self._folder / "log").read_text():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start."
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, with whoever is connected."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)
