"""`manage.py qwencam_doctor` against a real STUN and TURN server: coturn, with a shared secret."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coturn import SECRET, Coturn, running_coturn
from tests.ports import free_port
from tests.settings import USER_ENVIRONMENT
from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as coturn:
        yield coturn


def examine(
    folder: Path, *servers: dict[str, Any], timeout: str = "15", **settings: str
) -> dict[str, dict[str, str]]:
    """Run the doctor on a platform that tells browsers these servers; its checks by name."""
    command = ["manage.py", "qwencam_doctor", "--json", "--timeout", timeout]
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        env={
            **USER_ENVIRONMENT,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "VLLM_BASE_URL": "http://127.0.0.1:1/v1",
            "ICE_SERVERS": json.dumps(servers),
            **settings,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_stun_and_turn_that_work(coturn: Coturn, tmp_path: Path):
    stun, turn = f"stun:{coturn.place}", f"turn:{coturn.place}"
    tcp = f"{turn}?transport=tcp"
    checks = examine(tmp_path, {"urls": stun}, {"urls": [turn, tcp]}, TURN_SECRET=SECRET)
    assert checks[stun]["status"] == "ok"
    assert "127.0.0.1" in checks[stun]["found"]
    for url in (turn, tcp):
        assert checks[url]["status"] == "ok", checks[url]
        place, _, port = checks[url]["found"].partition("relays at 127.0.0.1:")
        assert place == "" and 49152 <= int(port.rstrip(".")) <= 50151, checks[url]


def test_a_secret_that_is_another(coturn: Coturn, tmp_path: Path):
    turn = f"turn:{coturn.place}"
    checks = examine(tmp_path, {"urls": turn}, TURN_SECRET="another-secret-altogether")
    assert checks[turn]["status"] == "failed"
    assert checks[turn]["found"] == "It refuses the credentials."
    assert "TURN_SECRET" in checks[turn]["mend"]


def test_a_newcomers_platform_is_healthy(stack: Stack):
    stack.wait_for_health("ok", patience=60)
    done = stack.manage("qwencam_doctor", "--json", "--timeout", "10")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, checks
    (model,) = [check for check in checks.values() if check["group"] == "Model"]
    assert model["found"] == "serves qwencam-demo with a context of 4096 tokens"


def test_nobody_at_that_port(tmp_path: Path):
    stun = f"stun:127.0.0.1:{free_port()}"
    turn = stun.replace("stun", "turn")
    checks = examine(tmp_path, {"urls": [stun, turn]}, timeout="3", TURN_SECRET=SECRET)
    for url in (stun, turn):
        assert checks[url]["status"] == "failed"
        assert "No answer" in checks[url]["found"]
