"""The whole platform as its users start it: ``scripts/quickstart.sh`` on ports of its own."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.ports import free_port
from tests.settings import USER_ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a-long-test-password"


class Stack:
    """One running platform.

    Args:
        data_dir: where it keeps everything.
        options: of the quickstart's command line.
        settings: environment variables on top of the quickstart's own.
    """

    def __init__(self, data_dir: Path, *options: str, **settings: str) -> None:
        self.data_dir = data_dir
        self._options = options
        self.prefix: tuple[str, ...] = ()
        self.checkout = ROOT
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.output = data_dir.parent / f"{data_dir.name}.log"

    def start(self, *, patience: float, until: str = "Open   http") -> None:
        """Start it and wait until it says that it is ready, or whatever else it is to say."""
        environment = {
            **USER_ENVIRONMENT,
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "DEMO_USER": "demo",
            "DEMO_PASSWORD": PASSWORD,
            **self._settings,
        }
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                # A shell makes what it runs in the background deaf to Ctrl-C; not our stacks.
                [
                    *self.prefix,
                    "env",
                    "--default-signal=INT",
                    "./scripts/quickstart.sh",
                    *self._options,
                ],
                cwd=self.checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + patience
        while until not in self.output.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The quickstart did not come up:\n" + self.output.read_text())
            time.sleep(0.2)

    def stop(self) -> list[psutil.Process]:
        """Press Ctrl-C and wait; return the processes it left behind."""
        if self._process is None:
            return []
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=10)
        self._process = None
        return alive

    def processes(self, word: str) -> list[psutil.Process]:
        """Return this stack's processes with ``word`` in their command line."""
        assert self._process is not None
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if word in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self, word: str, *, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to those processes; return how many there were."""
        victims = self.processes(word)
        for victim in victims:
            victim.send_signal(how)
        return len(victims)

    def manage(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` with the settings of this stack's web process."""
        (web,) = self.processes("daphne")
        return subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=ROOT,
            env={**web.environ(), **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def redis_url(self) -> str:
        """Return where its Redis is."""
        url: str = self.facts()["redis_url"]
        return url

    def facts(self) -> dict[str, Any]:
        """Return where its parts are, as the quickstart wrote it down."""
        facts: dict[str, Any] = json.loads((self.data_dir / "run" / "quickstart.json").read_text())
        return facts

    def health(self) -> dict[str, Any]:
        """Return what ``/health`` says."""
        body: dict[str, Any] = httpx.get(f"{self.url}/health", timeout=5).json()
        return body

    def wait_for_health(self, status: str, *, patience: float) -> dict[str, Any]:
        """Wait until ``/health`` says ``status``."""
        deadline = time.monotonic() + patience
        while True:
            try:
                body = self.health()
            except httpx.TransportError:
                body = {"status": "unreachable"}
            if body["status"] == status:
                return body
            if time.monotonic() > deadline:
                raise AssertionError(f"health never became {status}: {json.dumps(body)}")
            time.sleep(0.25)

    def password(self, username: str) -> str:
        """Return the password that the quickstart has printed for a user."""
        found = re.search(rf"\b{username}: password (\S+)", self.output.read_text())
        assert found, "The quickstart printed no password."
        return found[1]

    def token(self, username: str = "demo") -> dict[str, Any]:
        """Open a camera session; return what ``POST /api/token`` says."""
        credentials = {"username": username, "password": self.password(username)}
        reply = httpx.post(f"{self.url}/api/token", json=credentials, timeout=10)
        assert reply.status_code == 201, reply.text
        body: dict[str, Any] = reply.json()
        return body
