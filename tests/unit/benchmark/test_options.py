"""The benchmark's options: read without anything that has to be installed."""

import subprocess
import sys

import pytest

from tests.stack import ROOT


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it by a Python without packages, as where the test tools are missing."""
    program = f"""
import runpy, sys
sys.argv = ["benchmark.py", *{list(arguments)!r}]
sys.prefix = {str(ROOT / ".venv")!r}
runpy.run_path("scripts/benchmark.py", run_name="__main__")
"""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_comes_before_what_is_missing():
    done = benchmark("--help")
    assert done.returncode == 0, done.stderr
    assert "scripts/benchmark.py --freshness" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--streams", "0"], "'0' is not a whole number from 1"),
        (["--out", ""], "argument --out: it needs a value."),
        (["--server-url", ""], "argument --server-url: it needs a value."),
        (["--failover", "--churn", "1"], "--failover goes alone"),
    ],
)
def test_bad_options_are_said_before_what_is_missing(arguments, said):
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_what_is_missing_is_said():
    done = benchmark("--num-requests", "1")
    assert done.returncode == 1
    assert "is missing: .venv/bin/python -m pip install" in done.stderr
