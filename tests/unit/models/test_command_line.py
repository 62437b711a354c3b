"""What the commands have in common: an output that is lost is said, once and in a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT
from tests.vllm_server import CHECKPOINT

NO_SPACE = "Standard output can't be written: No space left on device.\n"
MODELS = [sys.executable, "-m", "deploy.models"]


def run(command: list[str], *, stdout, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | settings,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (MODELS, 1),
        ([*MODELS, "--help"], 1),
        (["scripts/check_hardware.sh", "--model", str(CHECKPOINT)], 2),
        ([sys.executable, "scripts/monitor.py", "--once", "--server-url", "http://[::1]:1"], 2),
        (
            [
                *(sys.executable, "scripts/convert_model.py", "--model-path", str(CHECKPOINT)),
                *("--output", "/tmp/never-made", "--dry-run"),
            ],
            1,
        ),
        (["scripts/start_vllm_server.sh", "--print-command"], 1),
        ([sys.executable, "-m", "deploy.models.download", "--help"], 1),
        ([sys.executable, "-m", "deploy.model_choice", str(CHECKPOINT)], 1),
    ],
)
def test_a_full_disk(command, status):
    with Path("/dev/full").open("w") as full:
        done = run(command, stdout=full, VLLM_DEVICE="cpu", VLLM_PYTHON=sys.executable)
    assert (done.returncode, done.stderr) == (status, NO_SPACE)


def test_a_reader_that_went_away_is_told_nothing():
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = run(MODELS, stdout=writes)
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_output():
    done = run(["sh", "-c", 'exec "$@" >&-', "sh", *MODELS], stdout=None)
    assert done.returncode == 1
    assert done.stderr == "Standard output can't be written: it is closed.\n"


def test_what_an_encoding_lacks():
    says = "from deploy.models.command_line import run_command as run; "
    says += "run(lambda: print('→ 3 °C ▁█ ü') or 0{})"
    plain = run([sys.executable, "-c", says.format("")], stdout=-1, PYTHONIOENCODING="ascii")
    assert (plain.returncode, plain.stdout) == (0, "-> 3 C .# ?\n")
    whole = run([sys.executable, "-c", says.format("")], stdout=-1, PYTHONIOENCODING="utf-8")
    assert whole.stdout == "→ 3 °C ▁█ ü\n"
    exact = [sys.executable, "-c", says.format(", exact=True")]
    refused = run(exact, stdout=-1, PYTHONIOENCODING="ascii")
    assert refused.stderr == (
        "Standard output can't be written: its encoding, ascii, has no '\\u2192'.\n"
    )


def test_the_known_models_are_listed_and_nothing_else():
    listed = run(MODELS, stdout=-1)
    assert listed.returncode == 0
    assert "qwen2.5-vl-32b (default): Qwen/" in listed.stdout
    assert "Lists the models" in run([*MODELS, "--help"], stdout=-1).stdout
    refused = run([*MODELS, "foo"], stdout=-1)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith("unrecognized arguments: foo\n")
