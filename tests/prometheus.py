"""A real Prometheus of a test's own, with the shipped configuration on the test's targets."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from tests.ports import free_port
from tests.stack import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
Found = TypeVar("Found")


class Prometheus:
    """``prometheus`` on a copy of ``deploy/monitoring`` in which only targets and durations differ.

    Args:
        folder: new; everything is in it.
        targets: ``host:port`` of each file in ``targets/``, by its name without ending; a file that
            is not named has none.
    """

    def __init__(self, folder: Path, *, targets: Mapping[str, Sequence[str]]) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        copy = Path(shutil.copytree(MONITORING, folder / "monitoring"))
        for file in (copy / "targets").glob("*.yml"):
            file.write_text(yaml.safe_dump([{"targets": list(targets.get(file.stem, ()))}]))
        # A minute's wait is promtool's to test, in time that does not pass.
        _replace(copy / "prometheus.yml", r"_interval: \d+s$", "_interval: 1s")
        for rules in (copy / "rules").glob("*.yml"):
            _replace(rules, r"^( +for:) \w+$", r"\1 2s")
        self._config = copy / "prometheus.yml"

    def start(self, *, patience: float) -> None:
        """Start it and wait until it answers."""
        assert shutil.which("prometheus"), "./scripts/test.sh installs Prometheus."
        log = self._folder / "log"
        command = documented_command(config=self._config, data=self._folder / "data")
        command.append(f"--web.listen-address=127.0.0.1:{self.port}")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                # Nothing is left behind by a test run that is killed.
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + patience
        while True:
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).is_success:
                    return
            except httpx.TransportError:
                pass  # It does not listen yet: the deadline above ends the wait.
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=60)
            self._process = None

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of a reply of its HTTP API; a query that is refused is an assertion."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        reply = httpx.get(url, params=parameters, timeout=30).json()
        assert reply["status"] == "success", (parameters, reply)
        return reply["data"]

    def query(self, expression: str) -> list[float]:
        """Return the values that an expression has now, one for each series."""
        data = self.get("query", query=expression)
        if data["resultType"] == "scalar":
            return [float(data["result"][1])]
        return [float(series["value"][1]) for series in data["result"]]

    def targets_up(self) -> dict[str, int]:
        """Return how many targets of each job were scraped."""
        up: dict[str, int] = {}
        for target in self.get("targets", state="active")["activeTargets"]:
            job = target["labels"]["job"]
            up[job] = up.get(job, 0) + (target["health"] == "up")
        return up

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that waits or fires, by name."""
        alerts = self.get("alerts")["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}


def documented_command(*, config: Path, data: Path) -> list[str]:
    """Return how DEPLOY.md starts Prometheus, with these paths."""
    (line,) = re.findall(r"^prometheus .+$", (ROOT / "DEPLOY.md").read_text(), re.MULTILINE)
    line = line.replace("/etc/prometheus/prometheus.yml", str(config))
    return shlex.split(line.replace("/var/lib/prometheus", str(data)))


def until(look: Callable[[], Found], met: Callable[[Found], bool], *, patience: float) -> Found:
    """Look again and again until what is seen is right, and return it."""
    deadline = time.monotonic() + patience
    while not met(seen := look()):
        assert time.monotonic() < deadline, f"last seen: {seen!r}"
        time.sleep(0.25)
    return seen


def _replace(file: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, file.read_text(), flags=re.MULTILINE)
    assert count, f"{file.name} has no {pattern}"
    file.write_text(text)
