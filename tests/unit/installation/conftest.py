"""A host for install.sh's parts."""

from pathlib import Path

import pytest


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Two releases, the new one is current; settings; a database and its backup."""
    for folder in ("etc", "data/backups", "releases/old", "releases/new", "units"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "releases/new")
    (tmp_path / "etc/qwencam.env").write_text("ALLOWED_HOSTS=of.the.new\n")
    (tmp_path / "etc/before").write_text("ALLOWED_HOSTS=of.the.old\n")
    (tmp_path / "database").write_text("PGDMP now")
    (tmp_path / "data/backups/before").write_text("PGDMP before")
    return tmp_path
