"""The command: what it prints, its exit status, and one sentence for what makes no sense."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.hardware.cli import main
from deploy.models.safetensors_files import read_weights

ROOT = Path(__file__).resolve().parents[3]
MACHINES = Path(__file__).parent / "machines"
LONG = "x" * 5000
FITS, DOES_NOT_FIT, UNUSABLE = 0, 1, 2


def recorded(name: str, *arguments: str, **settings: str) -> int:
    return main(["--recording", str(MACHINES / name), *arguments], settings)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("mi300x", FITS),
        ("h100", FITS),
        ("h200", FITS),
        ("rx7900xtx", DOES_NOT_FIT),
        ("gtx1080", DOES_NOT_FIT),
        ("no_gpu", FITS),
        ("nvidia_broken", DOES_NOT_FIT),
        ("amd_broken", DOES_NOT_FIT),
    ],
)
def test_exit_status(name, status, capsys):
    assert recorded(name) == status
    assert capsys.readouterr().out.startswith("QwenCam hardware check on ")


def test_every_complaint_is_followed_by_advice(capsys):
    recorded("rx7900xtx")
    lines = capsys.readouterr().out.splitlines()
    complaints = [place for place, line in enumerate(lines) if line[2:4] in {"!!", "NO"}]
    assert len(complaints) > 5
    assert all(lines[place + 1].strip().startswith("→ ") for place in complaints)


def test_json(capsys):
    assert recorded("mi300x", "--json", MODEL_PATH="qwen3-vl-32b", MODEL_MAX_TOKENS="8192") == FITS
    told = json.loads(capsys.readouterr().out)
    assert told["device"] == "rocm"
    assert told["fits"] is True
    assert told["ready"] is True
    assert told["model"]["name"] == "qwen3-vl-32b"
    assert told["model"]["context"] == 8192
    assert told["model"]["fit"]["sessions"] > 40
    assert told["facts"]["amd"]["gpus"][0]["memory_bytes"] == 196592 * 1024**2
    assert {finding["status"] for finding in told["findings"]} <= {"ok", "warning", "unknown"}


def test_json_of_a_model_that_fits_where_something_else_is_wrong(capsys):
    assert recorded("rx7900xtx", "--json", "--model", "qwen2.5-vl-3b") == DOES_NOT_FIT
    told = json.loads(capsys.readouterr().out)
    assert told["fits"] is True
    assert told["ready"] is False


def test_json_of_a_model_that_the_disk_has_no_room_for(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    recorded("rx7900xtx", "--json", "--model", "qwen2.5-vl-7b")
    told = json.loads(capsys.readouterr().out)
    assert told["fits"] is False
    assert told["model"]["fit"]["shortage"] is None
    assert told["model"]["download"] == {"bytes": 16_584_333_312, "free": 9_000_000_000}
    # A part of it has arrived.
    partial = tmp_path / "models" / "qwen2.5-vl-7b.partial"
    partial.mkdir(parents=True)
    with (partial / "model.safetensors.0123.incomplete").open("wb") as part:
        part.truncate(10_000_000_000)
    recorded("rx7900xtx", "--json", "--model", "qwen2.5-vl-7b")
    told = json.loads(capsys.readouterr().out)
    assert told["fits"] is True
    assert told["model"]["download"]["bytes"] == 6_584_333_312


def test_a_folder_is_judged_by_its_own_files(capsys):
    checkpoint = ROOT / "deploy" / "demo_model" / "checkpoint"
    assert recorded("h100", "--json", "--model", str(checkpoint)) == FITS
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["source"] == str(checkpoint)
    # float32 on disk, which vLLM serves as 2 bytes a number on a GPU.
    size = sum(tensor.end - tensor.begin for tensor in read_weights(checkpoint).values())
    assert told["model"]["shape"]["weight_bytes"] == size // 2
    assert told["model"]["dtype"] == "auto"


def test_a_folder_whose_weights_are_cut_off_does_not_fit(capsys, tmp_path):
    checkpoint = ROOT / "deploy" / "demo_model" / "checkpoint"
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    whole = (checkpoint / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-5])
    assert recorded("h100", "--model", str(tmp_path)) == UNUSABLE
    assert capsys.readouterr().err == (
        f"check_hardware: {tmp_path}: model.safetensors is cut off: 5 bytes are missing; "
        "download the model again.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--bogus"], {}, "Unrecognized arguments: --bogus: see --help."),
        (["--record", "a", "--recording", "b"], {}, "not allowed with"),
        (["--recording", "/no/such/folder"], {}, "it has no machine.json"),
        (["--record", "/proc/no"], {}, "/proc/no can't be written: No such file or directory."),
        (["--model", "who/knows"], {}, "Nothing is known of who/knows: download it"),
        (["--model", "/no/such"], {}, "/no/such has no checkpoint"),
        (["--model", "/" + LONG], {}, "… can't be read: File name too long."),
        (["--model", LONG], {}, "…: download it and give its folder"),
        (["--model", "~nobody-here/model"], {}, "~nobody-here/model has no checkpoint"),
        (["--disk", LONG], {}, "… can't be used: File name too long."),
        (["--record", LONG], {}, "… can't be written: File name too long."),
        (["--recording", LONG], {}, "… is no recording: it has no machine.json."),
        (["--model", ""], {}, "Argument --model: it needs a value."),
        (["--disk", " "], {}, "Argument --disk: it needs a value."),
        (["--record", ""], {}, "Argument --record: it needs a value."),
        (["--recording", ""], {}, "Argument --recording: it needs a value."),
        ([], {"MODEL_DTYPE": "int8"}, "MODEL_DTYPE must be one of auto, bfloat16"),
        ([], {"MODEL_MAX_TOKENS": "many"}, "MODEL_MAX_TOKENS must be a whole number from 256"),
        ([], {"TENSOR_PARALLEL_SIZE": "0"}, "TENSOR_PARALLEL_SIZE must be a whole number"),
        ([], {"GPU_MEMORY_UTILIZATION": "90%"}, "above 0 and at most 1, not '90%'"),
        ([], {"GPU_MEMORY_UTILIZATION": "1.5"}, "above 0 and at most 1, not '1.5'"),
        ([], {"ICE_PORT_RANGE": "40000"}, "ICE_PORT_RANGE must be like 40000-40100"),
        ([], {"ICE_PORT_RANGE": "50-40"}, "ICE_PORT_RANGE must be like 40000-40100"),
    ],
)
def test_what_makes_no_sense(arguments, settings, said, capsys):
    assert main(arguments, settings) == UNUSABLE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("check_hardware: ")
    assert said in line
    assert len(line) < 300


class TestScript:
    """``scripts/check_hardware.sh`` with nothing but a Python, on this machine."""

    def run(self, folder: Path, *arguments: str, cwd: str | Path = "/", **settings: str):
        path = f"{folder}:{os.environ['PATH']}"
        return subprocess.run(
            [str(ROOT / "scripts" / "check_hardware.sh"), *arguments],
            env={"PATH": path, "HOME": str(folder), **settings},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def put(self, folder: Path, name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    def test_a_gpu_that_its_tool_names(self, tmp_path):
        line = "0, NVIDIA L40S, 46068, 1, 580.95.05, 00000000:01:00.0, 8.9, [N/A]"
        self.put(tmp_path, "nvidia-smi", f'case $1 in --version) ;; *) echo "{line}" ;; esac')
        done = self.run(tmp_path, "--json", "--model", "smolvlm")
        told = json.loads(done.stdout)
        assert told["facts"]["nvidia"]["gpus"][0]["name"] == "NVIDIA L40S"
        assert told["fits"] is True
        assert done.returncode == (FITS if told["ready"] else DOES_NOT_FIT)

    def test_recording_and_judging_elsewhere(self, tmp_path):
        self.put(tmp_path, "nvidia-smi", 'echo "no driver here"; exit 9')
        kept = str(tmp_path / "kept")
        first = self.run(tmp_path, "--record", "kept", cwd=tmp_path, ICE_PORT_RANGE="42000-42010")
        again = self.run(tmp_path, "--recording", kept, ICE_PORT_RANGE="42000-42010")
        assert first.stdout == again.stdout
        assert "UDP" in first.stdout
        assert first.returncode == again.returncode

    def test_a_folder_is_seen_from_where_it_is_called(self, tmp_path):
        checkpoint = ROOT / "deploy" / "demo_model" / "checkpoint"
        (tmp_path / "mine").symlink_to(checkpoint)
        (tmp_path / "deploy").mkdir()
        here = self.run(tmp_path, "--json", "--model", "./mine", cwd=tmp_path)
        assert json.loads(here.stdout)["model"]["source"] == "mine"
        ours = "deploy/demo_model/checkpoint"
        there = self.run(tmp_path, "--json", cwd=tmp_path, MODEL_PATH=ours)
        assert json.loads(there.stdout)["model"]["source"] == str(checkpoint)

    def test_what_makes_no_sense(self, tmp_path):
        done = self.run(tmp_path, "--bogus")
        assert done.returncode == UNUSABLE
        assert done.stdout == ""
        assert done.stderr == "check_hardware: Unrecognized arguments: --bogus: see --help.\n"

    @pytest.mark.parametrize("module", ["deploy.hardware.cli", "deploy.models.serve"])
    def test_the_standard_library_is_enough(self, module):
        """Both run before there is any environment: -S hides what pip has installed."""
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"import {module}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def test_help(self, tmp_path):
        done = self.run(tmp_path, "--help")
        assert done.returncode == 0
        assert "Exit status: 0 it fits" in done.stdout
