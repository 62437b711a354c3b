"""What systemd hears of a server: ready at its first answer, alive at each, then nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import AsyncMock, Mock

import pytest
from celery.signals import worker_shutting_down

import apps.chat.tasks  # noqa: F401  # It listens to the worker's signals.
from apps.chat.process import ChatProcess
from apps.chat.service_notify import READY, notify
from deploy.systemd import watchdog
from deploy.systemd.watchdog import Server
from qwencam_site.celery import app
from qwencam_site.celery_scheduler import HeartbeatScheduler
from tests.ports import free_port
from tests.stack import ROOT


class _Answers(BaseHTTPRequestHandler):
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is enough."""


@pytest.fixture
def server() -> Iterator[int]:
    """A server whose /health answers with `_Answers.status`; its port."""
    listening = HTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening.server_port
    listening.shutdown()
    listening.server_close()
    _Answers.status = 200


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stands in for systemd: the socket that NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_a_web_server_lives_while_it_answers_at_all(server: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", str(server))
    for status in (200, 503, 400):
        _Answers.status = status
        assert Server.web().answers()
    monkeypatch.setenv("PORT", str(free_port()))
    assert not Server.web().answers()


def test_a_model_server_says_503_when_its_engine_is_dead(
    server: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VLLM_PORT", str(server))
    assert Server.vllm().answers()
    _Answers.status = 503
    assert not Server.vllm().answers()


def test_without_a_service_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(READY)


def test_a_stop_may_take_as_long_as_answers_do(
    manager: socket.socket, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    """However long the settings let them take: systemd kills at TimeoutStopSec= otherwise."""
    settings.MODEL_TIMEOUT_SECONDS = 600
    worker_shutting_down.send(sender=None, sig="SIGTERM", how="Warm", exitcode=0)
    assert manager.recv(100) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=630000000"
    monkeypatch.setenv("NOTIFY_SOCKET", "/absent")
    worker_shutting_down.send(sender=None, sig="SIGTERM", how="Warm", exitcode=0)


async def test_a_web_servers_stop_may_take_as_long_as_its_drain(manager: socket.socket):
    process = ChatProcess(
        host=AsyncMock(), services=Mock(), asking=Mock(), relay=AsyncMock(), sockets=set()
    )
    await process.aclose(drain=300)
    assert manager.recv(100) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=333000000"


def test_the_scheduler_gives_a_sign_of_life(manager: socket.socket, tmp_path: Path):
    assert app.conf.beat_scheduler.endswith("celery_scheduler:HeartbeatScheduler")
    scheduler = HeartbeatScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    scheduler.schedule.clear()
    assert 0 < scheduler.tick() <= 5
    scheduler.close()
    assert manager.recv(100) == b"READY=1\nWATCHDOG=1"


def test_the_command_takes_the_process_and_its_watchdog_ends_with_it(
    server: int, manager: socket.socket
):
    environment = {**os.environ, "PORT": str(server), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "deploy.systemd.watchdog", "web", "sleep", "600"]
    with subprocess.Popen(command, env=environment) as process:
        assert manager.recv(100) == b"READY=1\nWATCHDOG=1"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes() == b"sleep\x00600\x00"
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while Path("/proc", child).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_starts_is_alive_until_its_time_is_up(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
):
    class Over(Exception):
        """Ends the endless watch."""

    rests = iter(range(3))

    def rest(seconds: float) -> None:
        if next(rests, None) is None:
            raise Over

    monkeypatch.setattr(watchdog.time, "sleep", rest)
    silent = Server(host="127.0.0.1", port=free_port())
    with pytest.raises(Over):
        watchdog.watch(silent)
    assert [manager.recv(100) for _ in range(4)] == [b"WATCHDOG=1"] * 4
    monkeypatch.setattr(watchdog, "START_SECONDS", 0.0)
    rests = iter(range(3))
    with pytest.raises(Over):
        watchdog.watch(silent)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_signs_that_cannot_be_given_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "of-somebody-else"))
    monkeypatch.setenv("HEARTBEAT_FILE", str(tmp_path / "nowhere" / "heartbeat"))
    notify(READY)
