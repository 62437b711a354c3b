#!/usr/bin/env python3
"""Measure QwenCam; `--help` tells how, BENCHMARKS.md what came out. Needs the test environment."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"

if PYTHON.exists() and Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

sys.path.insert(0, str(ROOT))
from deploy.benchmark.options import parse  # noqa: E402
from deploy.models.command_line import run_command  # noqa: E402

# What is wrong with the options, and --help, is said before what is missing.
options = parse(sys.argv[1:])
try:
    from deploy.benchmark.cli import main
except ImportError as missing:
    sys.exit(
        f"{missing.name} is missing: .venv/bin/python -m pip install --no-deps "
        "-r deploy/requirements/benchmark.txt installs it."
    )

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(options)))
