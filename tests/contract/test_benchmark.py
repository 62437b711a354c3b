"""`scripts/benchmark.py` with a platform: it reads its timecodes, and its figures hold together."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.settings import USER_ENVIRONMENT
from tests.stack import PASSWORD, ROOT, Stack

QUICK = ["--first-token", "0.05", "--token", "0.005", "--tokens", "5"]


def run(*arguments: str, out: Path) -> dict:
    """Run the benchmark and return its results."""
    ended = subprocess.run(
        [sys.executable, "scripts/benchmark.py", "--quick", *arguments, "--out", str(out)],
        cwd=ROOT,
        env=USER_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (results,) = out.glob("*/results.json")
    assert f"Written: {results}" in ended.stdout
    found: dict = json.loads(results.read_text())
    return found


def test_a_platform_of_its_own_is_measured(tmp_path: Path):
    wanted = ["--num-requests", "6", "--streams", "2", "--churn", "4", "--fairness"]
    results = run(*wanted, "--web-servers", "2", *QUICK, out=tmp_path)
    for shape in ("asking", "idle"):
        questions = results["questions"][shape]
        assert (questions["asked"], questions["answered"]) == (3, 3)
        assert (questions["errors"], questions["unreadable_frames"]) == ({}, 0)
        assert 0 < questions["question_to_request_ms"]["median"] < 5000
        assert 0 < questions["frame_age_at_model_ms"]["median"] < 5000
        assert abs(questions["claimed_minus_true_age_ms"]["median"]) < 500
        share = questions["platform_share_of_first_token_ms"]["median"]
        assert questions["question_to_request_ms"]["min"] < share < 5000
    (held,) = results["streams"]
    assert 0 < held["cpu_percent_per_stream"] < 100
    beside = held["questions"]
    assert (beside["asked"], beside["answered"], beside["errors"]) == (6, 6, {})
    assert results["churn"]["before"]["threads"] > 0
    waits = results["fairness"]["wait_ms"]
    assert [waits[kind]["count"] for kind in ("alone", "beside", "flood")] == [9, 9, 50]
    assert results["machine"]["cpus"] > 0


def test_a_model_server_that_hangs_is_told_of(tmp_path: Path):
    # Answers as long as usual: a server that came back is asked by those who stayed with the
    # other one only when that is busy.
    found = run("--failover", out=tmp_path)["failover"]
    assert (found["asked"], found["answered"], found["errors"]) == (72, 72, {})
    assert found["answer_before"]["count"] > 0
    assert found["asked_again_after"] < 10


def test_what_does_not_go_together_is_said(tmp_path: Path):
    ended = subprocess.run(
        [sys.executable, "scripts/benchmark.py", "--failover", "--num-requests", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "--failover goes alone" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("begun", ["redis-server", "deploy.benchmark.client"])
def test_stopped_at_any_time_it_leaves_nothing(tmp_path: Path, begun: str):
    benchmark = psutil.Popen(
        # A shell makes what it runs in the background deaf to Ctrl-C; not this.
        [
            *("env", "--default-signal=INT", sys.executable, "scripts/benchmark.py"),
            *("--num-requests", "40", "--out", str(tmp_path)),
        ],
        cwd=ROOT,
        env={**USER_ENVIRONMENT, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    started = until_running(benchmark, begun)
    benchmark.send_signal(signal.SIGINT)
    _, said = benchmark.communicate(timeout=60)
    assert benchmark.returncode == 130
    assert said.splitlines()[-1] == "Stopped; nothing was written."
    assert "Traceback" not in said
    _, left = psutil.wait_procs(started, timeout=10)
    assert left == []
    assert list(tmp_path.iterdir()) == []


def until_running(benchmark: psutil.Process, name: str) -> list[psutil.Process]:
    """Wait until one of its processes has that in its command; return all of them."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        started = benchmark.children(recursive=True)
        for process in started:
            with suppress(psutil.Error):
                if any(name in word for word in process.cmdline()):
                    return started
        time.sleep(0.1)
    raise AssertionError(f"No {name} was started.")


def test_without_a_platform_there_one_sentence_says_so():
    ended = subprocess.run(
        [sys.executable, "scripts/benchmark.py", "--server-url", "http://127.0.0.1:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "The benchmark could not go on: No platform answers at http://127.0.0.1:1.\n"
    )


def test_a_given_platform_is_measured_where_it_is(light_stack: Stack, tmp_path: Path):
    """Its model is its own, so frames go unread, but the questions are counted."""
    given = ["--server-url", light_stack.url, "--username", "demo", "--password", PASSWORD]
    results = run("--num-requests", "2", *given, *QUICK, out=tmp_path)
    assert results["questions"]["asking"]["asked"] == 1
    assert results["questions"]["asking"]["errors"] == {}
    assert PASSWORD not in json.dumps(results)
