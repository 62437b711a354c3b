"""A system without libnuma, which vLLM's CPU build is linked to: the first start finds one.

Guards: a copy that is not loaded under its name; a package that is not unpacked where nobody may
install it; a failure without a sentence.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHIM = ROOT / "deploy" / "vllm_cpu"
NEED = """
set -euo pipefail
cd "$1"
for part in say preflight environments; do source "scripts/lib/$part.sh"; done
LOG_DIR=$2 VENV_VLLM=$3
as_root() { return 1; }
has_libnuma() { [[ -s $(site_packages "$VENV_VLLM")/libnuma.so.1 ]]; }
need_libnuma
"""


def command(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An empty folder that passes for vLLM's environment."""
    folder = tmp_path / "venv"
    (folder / "packages").mkdir(parents=True)
    command(folder / "bin" / "python", f"echo {folder}/packages")
    return folder


def need(environment: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Have no right to install anything, and need it."""
    return subprocess.run(
        ["bash", "-c", NEED, "need", str(ROOT), str(tmp_path / "logs"), str(environment)],
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_rights_the_package_is_unpacked_beside_vllm(environment: Path, tmp_path: Path):
    package = tmp_path / "package"
    library = package / "usr" / "lib" / "any-linux-gnu"
    library.mkdir(parents=True)
    (library / "libnuma.so.1.0.0").write_text("a library")
    (library / "libnuma.so.1").symlink_to("libnuma.so.1.0.0")
    (package / "DEBIAN").mkdir()
    (package / "DEBIAN" / "control").write_text(
        "Package: libnuma1\nVersion: 2\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    archive = tmp_path / "libnuma1_2_all.deb"
    subprocess.run(["dpkg-deb", "--build", package, archive], check=True, timeout=60)
    command(tmp_path / "bin" / "apt-get", f"case $* in *download*) cp {archive} . ;; esac")

    done = need(environment, tmp_path)
    assert done.returncode == 0, done.stderr
    copy = environment / "packages" / "libnuma.so.1"
    assert not copy.is_symlink()
    assert copy.read_text() == "a library"
    assert not list(tmp_path.glob("tmp.*"))


def test_without_rights_and_network_a_sentence_says_what_is_needed(
    environment: Path, tmp_path: Path
):
    command(tmp_path / "bin" / "apt-get", "echo No network. >&2; exit 100")
    done = need(environment, tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "apt-get install libnuma1 as root" in line
    assert "No network." in (tmp_path / "logs" / "install-libnuma.log").read_text()


def loaded_beside(folder: Path) -> str:
    """Start a Python that has the shim there; return which libraries named libnuma it has."""
    for file in SHIM.glob("numa_library.*"):
        shutil.copy(file, folder)
    code = (
        "import site, sys; site.addsitedir(sys.argv[1])\n"
        "print([line.split()[-1] for line in open('/proc/self/maps') if 'libnuma' in line])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_is_loaded_by_every_python_of_that_environment(tmp_path: Path):
    assert loaded_beside(tmp_path) == "[]\n"
    maps = Path("/proc/self/maps").read_text().splitlines()
    any_library = next(line.split()[-1] for line in maps if "libm.so" in line)
    shutil.copy(any_library, tmp_path / "libnuma.so.1")
    assert str(tmp_path / "libnuma.so.1") in loaded_beside(tmp_path)
