#!/usr/bin/env python3
"""Convert a model to 8 or 4 bits a weight, or check one; `--help` tells how. Needs Python 3.11."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-convert" / "bin" / "python"

if sys.version_info < (3, 11):  # noqa: UP036 -- the system's may be older than ours.
    sys.exit("Python 3.11 or newer is needed.")
sys.path.insert(0, str(ROOT))

from deploy.models.command_line import run_command  # noqa: E402
from deploy.models.conversion.cli import main  # noqa: E402


def become_converter() -> None:
    """Go on in .venv-convert, made first if need be; returns when this is it."""
    if Path(sys.prefix) == PYTHON.parent.parent:
        return
    made = subprocess.run([ROOT / "scripts" / "lib" / "convert_environment.sh"])
    if made.returncode != 0:
        sys.exit(made.returncode)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])


if __name__ == "__main__":
    try:
        sys.exit(run_command(lambda: main(sys.argv[1:], become_converter=become_converter)))
    except KeyboardInterrupt:
        sys.exit(130)
