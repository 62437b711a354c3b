"""What the quickstart does with its ``--model``, without what it starts afterwards."""

import os
import subprocess
from pathlib import Path

from tests.stack import ROOT

_SCRIPT = """
set -euo pipefail
for part in say preflight environments model; do source "scripts/lib/$part.sh"; done
LOG_DIR=$1 BACKGROUND=
choose_model "$2"
printf 'DOWNLOAD=%s\\n' "$MODEL_DOWNLOAD"
env | grep -E '^(MODEL_|TENSOR_|QUICKSTART_)'
"""


def choose_model(
    name: str, *, home: Path, hub_url: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Choose it for a machine without a GPU; settings are lines NAME=VALUE of the output."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "HF_ENDPOINT": hub_url}
    return subprocess.run(
        ["bash", "-c", _SCRIPT, "bash", str(home), name],
        cwd=ROOT,
        env=environment | {"VLLM_DEVICE": "cpu"} | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )


def chosen_settings(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the settings of a choice that was made."""
    assert done.returncode == 0, done
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
