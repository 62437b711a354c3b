"""Builds the image by buildah, into a storage of its own, on a base that mmdebstrap made."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.scratch import scratch
from tests.stack import ROOT

_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_SUITE = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_BASE = "localhost/qwencam-base:test"
_LOCAL = re.compile(r"(?:^|\s)(?:file://)?(/\S+)")
_IMAGE = "localhost/qwencam:test"


def base_archive() -> Path:
    """Return a Debian with Python as an archive, made once for each list of packages."""
    name = hashlib.sha256(" ".join((_SUITE, _MIRROR, *_PACKAGES)).encode()).hexdigest()[:12]
    archive = ROOT / "var" / f"image-base-{name}.tar"
    if not archive.exists():
        archive.parent.mkdir(exist_ok=True)
        partial = archive.with_suffix(f".{os.getpid()}.tar")
        packages = f"--include={','.join(_PACKAGES)}"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", packages, _SUITE, partial, _MIRROR]
        subprocess.run(command, check=True, timeout=600)
        partial.replace(archive)
    return archive


def pip_mounts(folder: Path) -> list[str]:
    """Return the options that let pip in a build reach what it reaches here.

    They are mounts, so nothing of them is left in a layer.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    wanted = {"index-url", "extra-index-url", "find-links", "cert", "proxy", "trusted-host"}
    lines, places = ["[global]"], set()
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in wanted:
            text: str = ast.literal_eval(value)
            lines.append(f"{key} = {text}")
            places |= set(_LOCAL.findall(text))
    conf = folder / "pip.conf"
    conf.write_text("\n".join(dict.fromkeys(lines)) + "\n")
    conf.chmod(0o644)
    # An index on disk points to files beside it.
    places = {re.sub("/simple/?$", "", place) for place in places if Path(place).exists()}
    return [f"--volume={conf}:/etc/pip.conf:ro", *(f"--volume={p}:{p}:ro" for p in sorted(places))]


class BuiltImage:
    """The image, its root file system and what it says of itself; ``close`` deletes it all."""

    def __init__(self) -> None:
        self.folder = scratch("qwencam-image-", megabytes=3000)
        self._container = ""
        self.root = Path()
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def buildah(self, *arguments: str | Path) -> str:
        """Run buildah on this storage; return what it prints."""
        storage = [f"--root={self.folder}/storage", f"--runroot={self.folder}/run"]
        # No registry and no configuration of this machine's.
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        registries = self.folder / "registries.conf"
        registries.write_text("unqualified-search-registries = []\n")
        options = [f"--registries-conf={registries}", f"--storage-driver={self._driver()}"]
        ran = subprocess.run(
            ["buildah", *storage, *options, *arguments], capture_output=True, text=True, timeout=900
        )
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
        return ran.stdout.strip()

    def _driver(self) -> str:
        """Overlays copy nothing, but can't be made on an overlay, as roots of containers are."""
        kind = subprocess.check_output(["stat", "-f", "-c", "%T", self.folder], text=True)
        return "vfs" if "overlay" in kind else "overlay"

    def _build(self) -> None:
        base = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", base, base_archive(), "/")
        self.buildah("commit", "--quiet", "--rm", base, _BASE)
        self.buildah(
            *("build", "--isolation=chroot", "--format=docker", "--pull-never"),
            *(f"--build-arg=BASE={_BASE}", *pip_mounts(self.folder)),
            *("--file", ROOT / "deploy/docker/Dockerfile", "--tag", _IMAGE, ROOT),
        )
        inspected = json.loads(self.buildah("inspect", "--type=image", _IMAGE))
        self.config = inspected["Docker"]["config"]
        self.history = inspected["Docker"]["history"]
        self._container = self.buildah("from", "--pull-never", _IMAGE)
        self.root = Path(self.buildah("mount", self._container))

    def files(self) -> Iterator[Path]:
        """Return every file of the image."""
        for folder, _, names in os.walk(self.root):
            yield from (Path(folder) / name for name in names)

    def close(self) -> None:
        """Delete it and all that the build made."""
        if self._container:
            self.buildah("umount", self._container)
            self._container = ""
        for line in Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=True)
        shutil.rmtree(self.folder)
