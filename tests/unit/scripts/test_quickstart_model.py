"""What ``quickstart.sh --model`` refuses before it installs or downloads anything: one sentence.

And which vLLM serves the demo where one for a GPU is there already.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]


def run(data_dir, *options, **settings):
    environment = {"PATH": os.environ["PATH"], "HOME": str(data_dir), "VLLM_DEVICE": "cpu"}
    environment |= {"DATA_DIR": str(data_dir), "PORT": str(free_port())} | settings
    return subprocess.run(
        [str(ROOT / "scripts" / "quickstart.sh"), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def refusal(data_dir, *options, **settings):
    done = run(data_dir, *options, **settings)
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    return line


def test_options_that_make_no_sense(tmp_path):
    said = refusal(tmp_path, "--model")
    assert said == "--model needs a name: such as --model qwen2.5-vl-7b."
    assert refusal(tmp_path, "--modle", "x") == "There is no option --modle: see --help."


def test_a_model_and_a_server_that_has_its_own(tmp_path):
    assert refusal(tmp_path, "--model", "smolvlm", VLLM_BASE_URL="http://127.0.0.1:1/v1") == (
        "VLLM_BASE_URL names a model server of yours, and --model starts one here: "
        "give one of them."
    )


def test_a_model_that_does_not_fit_names_what_does(tmp_path):
    said = refusal(tmp_path, "--model", "smolvlm", MODEL_MAX_TOKENS="900000")
    assert said.startswith("No session of 900000 tokens (MODEL_MAX_TOKENS) fits beside smolvlm (No")
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_folder_is_seen_from_where_the_quickstart_is_called(tmp_path):
    (tmp_path / "mine").mkdir()
    said = subprocess.run(
        [str(ROOT / "scripts" / "quickstart.sh"), "--model", "mine"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=120,
    ).stderr
    assert said == f"{tmp_path}/mine has no checkpoint: {tmp_path}/mine/config.json is missing.\n"


def test_help_names_the_options(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    assert "--model NAME" in done.stdout
    assert "set -euo" not in done.stdout


@pytest.mark.parametrize("device", ["cpu", "cuda", "rocm"])
def test_the_demo_runs_on_the_vllm_that_is_there(tmp_path, device):
    (tmp_path / f".installed-vllm-{device}").touch()
    script = f'source scripts/lib/model.sh; VENV_VLLM="{tmp_path}" installed_device'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{device}\n"
