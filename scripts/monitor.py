#!/usr/bin/env python3
"""Watch a running QwenCam in a terminal; `--help` tells how. Needs Python 3.11, rich and httpx."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"

if sys.version_info < (3, 11) and not PYTHON.exists():
    sys.exit("Python 3.11 or newer is needed.")

sys.path.insert(0, str(ROOT))
from deploy.models.command_line import run_command  # noqa: E402

try:
    from deploy.monitor.cli import main
except ImportError as missing:
    # Another Python than the platform's own, which has rich and httpx once the quickstart ran.
    if PYTHON.exists() and Path(sys.prefix) != PYTHON.parent.parent:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(f"{missing.name} is missing: python3 -m pip install rich httpx installs it.")

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:]), lost=2))
