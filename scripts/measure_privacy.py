#!/usr/bin/env python3
"""Measure the privacy filters; `--help` tells how, BENCHMARKS.md what came out.

Run it from the repository's root with the test tools installed:

    .venv/bin/python -m scripts.measure_privacy --json privacy.json --sheets privacy_sheets
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from deploy.privacy_check.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
