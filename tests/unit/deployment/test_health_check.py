"""The image's health check and entry point, without an image."""

import os
import time
from pathlib import Path

import pytest

from deploy.docker import entry, health
from deploy.docker.health import Unwell
from tests.ports import free_port


@pytest.mark.parametrize(
    ("command_line", "role"),
    [
        (b"/opt/qwencam/venv/bin/python\0-m\0daphne\0-b\0127.0.0.1\0", "web"),
        (b"python\0-m\0celery\0-A\0qwencam_site\0worker\0-Q\0inference\0", "worker"),
        (b"python\0-m\0celery\0-A\0qwencam_site\0beat\0--schedule\0/tmp/x\0", "beat"),
    ],
)
def test_process_1_says_what_it_is(command_line: bytes, role: str) -> None:
    assert health.role_of(command_line) == role


def test_a_command_has_no_health() -> None:
    with pytest.raises(Unwell, match="Process 1 is none of web, worker, beat"):
        health.role_of(b"python\0-m\0deploy.docker.entry\0manage\0migrate\0")


def test_a_sign_of_life_is_good_for_a_while(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    environment = {"HEARTBEAT_FILE": str(heartbeat)}
    with pytest.raises(Unwell, match="The worker has not given a sign of life yet"):
        health.check_worker(environment)
    heartbeat.touch()
    health.check_worker(environment)
    long_ago = time.time() - health.HEARTBEAT_SECONDS - 5
    os.utime(heartbeat, (long_ago, long_ago))
    with pytest.raises(Unwell, match=r"The worker has given no sign of life for 3\d s"):
        health.check_worker(environment)


def test_a_schedule_may_be_minutes_old(tmp_path: Path) -> None:
    schedule = tmp_path / "schedule"
    schedule.touch()
    environment = {"BEAT_SCHEDULE": str(schedule)}
    minutes_ago = time.time() - 200  # celery writes it every 180 s
    os.utime(schedule, (minutes_ago, minutes_ago))
    health.check_beat(environment)
    os.utime(schedule, (0, 0))
    with pytest.raises(Unwell, match="The scheduler has given no sign of life"):
        health.check_beat(environment)


def test_a_web_server_that_is_away_is_unwell() -> None:
    with pytest.raises(Unwell, match="/health does not answer: ConnectionRefusedError"):
        health.check_web({"HOST": "0.0.0.0", "PORT": str(free_port())})


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("camera.example.org,127.0.0.1", "camera.example.org"),
        (".example.org", "example.org"),
        ("*", "localhost"),
        ("", "localhost"),
    ],
)
def test_it_asks_by_a_name_that_is_answered(allowed: str, host: str) -> None:
    assert health._allowed_host({"ALLOWED_HOSTS": allowed}) == host


@pytest.mark.parametrize(("arguments", "said"), [([], "''"), (["serve"], "'serve'")])
def test_what_is_no_command_is_told_in_a_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main(arguments)
    assert ended.value.code == f"Say what to run: web, worker, beat or manage COMMAND, not {said}."
