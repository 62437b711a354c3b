"""What the quickstart reads from the supervisor's log, with a log that the real one has written.

Guards against: a supervisor that words its log otherwise, so that a program that keeps ending is
waited for until the time is up.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}

; Whatever ends within startsecs has not started.
[program:web]
command=false
startsecs=600
startretries=0
"""


@pytest.fixture(scope="module")
def readiness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readiness", ROOT / "scripts/lib/readiness.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a supervisor that has started a program which ended at once, and given it up."""
    folder = tmp_path_factory.mktemp("supervisor")
    configuration = folder / "supervisord.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", configuration]
    supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert supervisor.stdout
        for line in supervisor.stdout:
            if "gave up" in line:
                break
        else:
            pytest.fail("The supervisor ended without giving the program up.")
    finally:
        supervisor.terminate()
        supervisor.communicate()
    return folder / "supervisord.log"


def test_a_program_that_was_given_up_keeps_ending(readiness: ModuleType, log: Path):
    assert readiness.keeps_ending(log) == "web"


def test_so_does_one_that_has_ended_too_often(
    readiness: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ended = tmp_path / "supervisord.log"
    lines = log.read_text().splitlines(keepends=True)
    ended.write_text("".join(line for line in lines if "gave up" not in line))
    assert readiness.keeps_ending(ended) is None
    monkeypatch.setattr(readiness, "TOO_MANY_ENDS", 1)
    assert readiness.keeps_ending(ended) == "web"


def test_nothing_keeps_ending_before_there_is_a_log(readiness: ModuleType, tmp_path: Path):
    assert readiness.keeps_ending(tmp_path / "supervisord.log") is None


def test_every_started_program_has_its_last_process(readiness: ModuleType, log: Path):
    (pid,) = readiness.last_pids(log).values()
    assert f"spawned: 'web' with pid {pid}\n" in log.read_text()
