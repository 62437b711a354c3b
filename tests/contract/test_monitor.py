"""`scripts/monitor.py` on the running platform, in a pipe and in a real terminal (tmux)."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.relay import Relay
from tests.settings import USER_ENVIRONMENT
from tests.stack import ROOT

MONITOR = [sys.executable, "-W", "error", "scripts/monitor.py"]
PATIENCE = 60


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MONITOR, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )


class Terminal:
    """A terminal of its own, whose screen can be read."""

    def __init__(self, folder: Path, *, width: int, height: int) -> None:
        self._socket = str(folder / "tmux")
        # A shell that stays, so that what the terminal is like afterwards can be seen.
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height)),
            "env PS1='$ ' PROMPT_COMMAND= sh",
        )

    def _tmux(self, *arguments: str) -> str:
        result = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments],
            cwd=ROOT,
            env={**USER_ENVIRONMENT, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return result.stdout

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(self, pattern: str) -> str:
        """Return the screen once it shows that."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, screen := self.screen(), re.M):
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{screen}"
            time.sleep(0.1)
        return screen

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, width=80, height=24)
    yield terminal
    terminal.close()


@pytest.fixture
def relay(light_stack) -> Iterator[Relay]:
    relay = Relay(light_stack.port)
    relay.start()
    yield relay
    relay.stop()


async def test_json_says_what_has_happened(light_stack, camera, stand_in, script):
    await camera.start_camera(np.full((480, 640, 3), 128, np.uint8))
    first = json.loads(run("--json", "--server-url", light_stack.url).stdout)
    assert (await camera.ask("What do you see?"))["type"] == "response"
    result = run("--json", "--server-url", light_stack.url)
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["health"]["status"] == "ok"
    assert shown["health"]["checks"]["redis"]["status"] == "ok"
    platform = shown["platform"]
    assert platform["sockets"] >= 1
    assert platform["streams"] >= 1
    assert platform["sessions"] >= 1
    assert platform["queue"] == {"question": 0, "live": 0}
    assert all(value is not None for name, value in platform.items() if "_per_" not in name)
    for title, times in shown["latencies"].items():
        assert times["count"] > first["latencies"][title]["count"], title
        assert 0 < times["p50"] <= times["p95"] <= times["p99"]
    (server,) = shown["model_servers"].values()
    assert server["up"] is True


def test_a_pipe_gets_the_page_once(light_stack):
    result = run("--server-url", f"{light_stack.url}/")
    assert result.returncode == 0, result.stderr
    assert "QwenCam" in result.stdout
    assert "since its start" in result.stdout
    assert "\x1b" not in result.stdout
    once = run("--once", "--server-url", light_stack.url)
    assert once.stdout.splitlines()[2:4] == result.stdout.splitlines()[2:4]


def test_a_server_away_is_status_1_and_bad_arguments_are_2(relay):
    relay.stop()
    away = run("--once", "--server-url", relay.url)
    assert (away.returncode, "Nothing answers there" in away.stdout) == (1, True)
    for arguments in (["--server-url", "nonsense"], ["--interval", "0"], ["--nothing"]):
        result = run(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        assert "error:" in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SSL_CERT_FILE", "/nowhere.pem", "/nowhere.pem (SSL_CERT_FILE) can't be read"),
        ("HTTPS_PROXY", "gopher://proxy", "a proxy that can't be used"),
    ],
)
def test_an_environment_that_makes_no_sense_is_a_sentence(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    result = run("--once")
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_the_quickstarts_address_is_found(light_stack, tmp_path, monkeypatch):
    from deploy.monitor.cli import quickstart_url

    monkeypatch.setenv("DATA_DIR", str(light_stack.data_dir))
    assert quickstart_url(tmp_path) == light_stack.url
    monkeypatch.delenv("DATA_DIR")
    assert quickstart_url(tmp_path) is None
    (tmp_path / "var").symlink_to(light_stack.data_dir)
    assert quickstart_url(tmp_path) == light_stack.url


def test_in_a_terminal_with_the_server_away_and_back(terminal, relay):
    command = (
        f"{' '.join(MONITOR)} --interval 0.5 --server-url {relay.url}; echo status $?; stty -a"
    )
    terminal.type("echo before", "Enter", command, "Enter")
    screen = terminal.wait_for(r"^Latency, last \d+ s")
    assert "QwenCam" in screen.splitlines()[0]
    assert "ok" in screen.splitlines()[0]
    assert "before" not in screen
    assert max(len(line) for line in screen.splitlines()) <= 80

    terminal.resize(160, 40)
    terminal.wait_for(r"^Sessions .* Model server")
    terminal.resize(60, 10)
    terminal.wait_for(r"^… \d+ more lines")
    terminal.resize(80, 24)
    terminal.wait_for(r"^Model server")

    relay.stop()
    away = terminal.wait_for(r"^Away since \d\d:\d\d:\d\d \(\d+ s\)")
    assert "Trying again every 0.5 s" in " ".join(away.split())
    assert re.search(r"^Sessions +\d", away, re.M)
    relay.start()
    back = terminal.wait_for(r"^QwenCam \S+  ok ")
    assert "Away" not in back

    terminal.type("C-c")
    after = terminal.wait_for(r"status 0$")
    assert "before" in after
    assert "Sessions" not in after
    settings = terminal.wait_for(r"\bicanon\b")
    assert not re.search(r"-(icanon|echo|isig)\b", settings)


def test_a_terminated_monitor_leaves_the_terminal_clean(terminal, relay, tmp_path):
    command = f"exec {' '.join(MONITOR)} --server-url {relay.url}"
    terminal.type(f"sh -c 'echo $$ >{tmp_path}/pid; {command}'; echo status $?", "Enter")
    terminal.wait_for(r"^Sessions")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert "Sessions" not in terminal.wait_for(r"status 0$")
