"""A maintainer at a shell beside the running platform: what commands do, its users see at once."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.camera_client import CameraClient
from tests.stack import ROOT, Stack


def told(stack: Stack, *arguments: str, code: int = 0, **settings: str) -> Any:
    """Run a command with --json; return what it printed."""
    done = stack.manage(*arguments, "--json", **settings)
    assert done.returncode == code, done
    return json.loads(done.stdout)


def listed(stack: Stack, *arguments: str) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in told(stack, "list_sessions", *arguments)}


@pytest.fixture
def accepting(light_stack: Stack) -> Iterator[Stack]:
    """The stack, which accepts sessions again afterwards whatever happened."""
    yield light_stack
    light_stack.manage("drain", "off", "--notice", "")


def test_commands_beside_a_quickstart_need_no_settings(light_stack: Stack):
    asked = {"PATH": os.environ["PATH"], "DATA_DIR": str(light_stack.data_dir)}
    command = [sys.executable, "-W", "error", "manage.py", "drain", "status", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=asked, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["draining"] is False


async def test_a_session_from_its_token_to_its_end(accepting: Stack):
    stack = accepting
    token = await asyncio.to_thread(
        told, stack, "issue_token", "--user", "demo", "--base-url", stack.url
    )
    assert token["ws_url"] == f"ws{stack.url.removeprefix('http')}/ws/{token['session_id']}"
    report = httpx.get(
        f"{stack.url}/api/session", headers={"Authorization": f"Bearer {token['access']}"}
    )
    assert (report.status_code, report.json()["user"]) == (200, "demo")

    async with CameraClient(stack.url, token) as camera:
        line = (await asyncio.to_thread(listed, stack, "--user", "demo"))[token["session_id"]]
        assert (line["state"], line["user"]) == ("live", "demo")

        ending = asyncio.create_task(
            asyncio.to_thread(
                told, stack, "end_sessions", token["session_id"], "--note", "We restart at noon."
            )
        )
        ended = await camera.wait_for("ended", patience=60)
        assert (ended["reason"], ended["note"]) == ("operator", "We restart at noon.")
        assert await camera.wait_closed() == 4404
        assert (await ending)["ended"] == [token["session_id"]]

    again = await asyncio.to_thread(stack.manage, "end_sessions", token["session_id"])
    assert (again.returncode, again.stderr) == (1, "CommandError: No live session matched.\n")
    lines = await asyncio.to_thread(listed, stack, "--all")
    assert lines[token["session_id"]]["end_reason"] == "operator"


def test_draining(accepting: Stack):
    stack = accepting
    before = told(stack, "drain", "status")
    assert before["draining"] is False
    assert told(stack, "drain", "on", "--notice", "Back at noon.")["draining"] is True
    credentials = {"username": "demo", "password": stack.password("demo")}
    refused = httpx.post(f"{stack.url}/api/token", json=credentials, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (503, "draining")
    assert stack.manage("issue_token", "--user", "demo").returncode == 1
    assert told(stack, "drain", "off", "--notice", "") == {
        "draining": False,
        "notice": "",
        "live_sessions": before["live_sessions"],
    }
    assert httpx.post(f"{stack.url}/api/token", json=credentials, timeout=30).status_code == 201


def test_expired_and_purged(light_stack: Stack):
    token = light_stack.token()
    assert told(light_stack, "expire_sessions") == {"expired": 0}
    assert told(light_stack, "end_sessions", token["session_id"])["ended"]
    purge = ("purge_records", "--older-than", "100d")
    assert told(light_stack, *purge, "--dry-run")["camera_sessions"] == 0
    with closing(sqlite3.connect(light_stack.data_dir / "db.sqlite3", timeout=20)) as database:
        database.execute(
            "UPDATE camera_sessions_camerasession"
            " SET ended_at = datetime(ended_at, '-101 days') WHERE id = ?",
            [token["session_id"].replace("-", "")],
        )
        database.commit()
    assert told(light_stack, *purge, "--dry-run")["camera_sessions"] == 1
    assert token["session_id"] in listed(light_stack, "--all")
    assert told(light_stack, *purge)["camera_sessions"] == 1
    assert token["session_id"] not in listed(light_stack, "--all")


def test_wrongly_called(light_stack: Stack):
    for arguments in (
        ("drain",),
        ("end_sessions",),
        ("purge_records", "--older-than", "30"),
        ("list_sessions", "--limit", "0"),
        ("issue_token",),
        ("qwencam_doctor", "--timeout", "soon"),
    ):
        done = light_stack.manage(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr


def examined(stack: Stack, *, code: int, **settings: str) -> dict[str, dict[str, str]]:
    body = told(stack, "qwencam_doctor", "--timeout", "10", code=code, **settings)
    return {check["name"]: check for check in body["checks"]}


def test_the_doctor_finds_a_healthy_platform_healthy(light_stack: Stack):
    light_stack.wait_for_health("ok", patience=30)
    checks = examined(light_stack, code=0)
    assert {name for name, check in checks.items() if check["status"] == "failed"} == set()
    assert {name for name, check in checks.items() if check["status"] == "ok"} >= {
        "Python",
        "packages",
        "ffmpeg",
        "settings",
        "secrets",
        "static files",
        "Redis",
        "persistence",
        "database",
        "migrations",
        "inference workers",
        "scheduler",
    }
    assert checks["STUN, TURN"]["status"] == "skipped"
    text = light_stack.manage("qwencam_doctor", "--timeout", "10")
    assert text.returncode == 0
    assert "FAILED" not in text.stdout
    assert "\033" not in text.stdout


def test_the_doctor_names_a_model_server_that_is_gone(light_stack: Stack):
    checks = examined(light_stack, code=1, VLLM_BASE_URL="http://127.0.0.1:1/v1")
    failed = [name for name, check in checks.items() if check["status"] == "failed"]
    assert failed == ["vLLM 127.0.0.1:1"]
    assert "start_vllm_server.sh" in checks["vLLM 127.0.0.1:1"]["mend"]


def test_the_doctor_names_a_model_that_is_another(light_stack: Stack):
    checks = examined(light_stack, code=1, MODEL_NAME="qwen-large")
    (wrong,) = [check for check in checks.values() if check["status"] == "failed"]
    assert "qwencam-demo, not qwen-large" in wrong["found"]


def test_the_doctor_names_a_redis_that_hangs(light_stack: Stack):
    redis = light_stack.processes("redis-server")
    for process in redis:
        process.send_signal(signal.SIGSTOP)
    try:
        done = light_stack.manage("qwencam_doctor", "--json")
    finally:
        for process in redis:
            process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert [name for name in ("Redis", "memory") if checks[name]["status"] == "failed"] == ["Redis"]
    assert checks["Redis"]["mend"]
    light_stack.wait_for_health("ok", patience=60)


def test_the_doctor_names_a_setting_that_is_wrong(light_stack: Stack):
    checks = examined(light_stack, code=1, MAX_SESSIONS="many")
    assert "MAX_SESSIONS" in checks["settings"]["found"]
