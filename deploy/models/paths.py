"""Paths that a person gave. One that can't be looked at (too long, not allowed) is not there."""

import os
from pathlib import Path


def expanded(text: str) -> Path:
    """Return the path, with the home folder for ``~``; a stranger's ``~name`` stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 -- pathlib's raises for unknown names


def is_file(path: str | Path) -> bool:
    """Say whether a file is there; `Path.is_file` raises where nobody can tell."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Say whether a folder is there; `Path.is_dir` raises where nobody can tell."""
    return os.path.isdir(path)  # noqa: PTH112
