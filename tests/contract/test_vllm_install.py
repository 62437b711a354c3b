"""``install_vllm``: real pip, real environments, and an index on loopback that holds tiny wheels.

Guards: on an AMD host pip must not take PyPI's vllm of the same number, which is built for CUDA;
what was installed is looked at, not believed; an environment for another device is replaced if it
is ours and left alone if it isn't.
"""

import functools
import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.stack import ROOT

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALL = """
set -euo pipefail
for part in say preflight environments; do source "scripts/lib/$part.sh"; done
BACKGROUND=
VENV=$VENV_VLLM
VLLM_CUDA_LOCK=$CUDA_LOCK
ROCM_PYTHON=$ROCM_PYTHON_WANTED
for device in "$@"; do
    install_vllm "$device"
    "$VENV_VLLM/bin/python" -m pip list --format=freeze | grep -E '^(vllm|torch)='
done
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def put_wheel(index: Path, name: str, version: str, *, needs: str = "", **files: str) -> None:
    """Write a wheel into an index, with that page of links that pip reads."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    contents = {
        **{path.replace("__", "/", 1) + ".py": text for path, text in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        for path, text in {**contents, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    links = "".join(f'<a href="{path.name}">{path.name}</a>' for path in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<html><body>{links}</body></html>")


def put_torch(index: Path, version: str, **built_for: str) -> None:
    lines = [f"{name} = {built_for.get(name)!r}" for name in ("cuda", "hip")]
    put_wheel(index, "torch", version, torch__version="\n".join(lines), torch____init__="")


@pytest.fixture
def indexes(tmp_path):
    """PyPI with CUDA wheels and vLLM's own with ROCm wheels; yields (folder, URL)."""
    pages = tmp_path / "indexes"
    pypi, rocm = pages / "pypi", pages / "rocm" / "0.32.0" / "rocm999"
    put_wheel(pypi, "vllm", "0.32.0", needs="torch==2.13.0")
    put_torch(pypi, "2.13.0", cuda="13.0")
    put_wheel(rocm, "vllm", "0.32.0+rocm999", needs="torch==2.12.0+git6bbd260")
    put_torch(rocm, "2.12.0+git6bbd260", hip="7.2.53211")
    handler = functools.partial(_Quiet, directory=str(pages))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield pages, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def locked(index: Path) -> Iterator[str]:
    """Return the lock of all wheels of an index, with their hashes."""
    for wheel in sorted(index.glob("*/*.whl")):
        name, version, *_ = wheel.name.split("-")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        yield f"{name}=={version} --hash=sha256:{digest}\n"


def install(folder: Path, url: str, *devices: str, **settings: str):
    """Run ``install_vllm`` for each device after the other; return the ended process."""
    lock = folder / "vllm-cuda.txt"
    lock.write_text("".join(locked(folder / "indexes" / "pypi")))
    (folder / "logs").mkdir(exist_ok=True)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHON": sys.executable,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"{url}/pypi",
        "PIP_NO_CACHE_DIR": "1",
        "VLLM_ROCM_WHEELS": f"{url}/rocm",
        "VLLM_ROCM_VARIANT": "rocm999",
        "ROCM_PYTHON_WANTED": PYTHON,
        "CUDA_LOCK": str(lock),
        "LOG_DIR": str(folder / "logs"),
    } | settings
    script = INSTALL.replace("VENV=$VENV_VLLM", f"VENV_VLLM={folder}/venv")
    return subprocess.run(
        ["bash", "-c", script, "install", *devices],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def sentence(done) -> str:
    """Return the one line that it ended with."""
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    return line


def test_rocm_once_and_then_cuda(indexes, tmp_path):
    _, url = indexes
    done = install(tmp_path, url, "rocm", "rocm", "cuda")
    assert done.returncode == 0, done.stderr + done.stdout
    versions = [line for line in done.stdout.splitlines() if "==" in line]
    rocm = ["torch==2.12.0+git6bbd260", "vllm==0.32.0+rocm999"]
    assert versions == [*rocm, *rocm, "torch==2.13.0", "vllm==0.32.0"]
    assert done.stdout.count("Installing vLLM for AMD GPUs (several GB): done") == 1
    assert "Replacing vLLM for rocm by one for cuda" in done.stdout


def test_a_rocm_index_without_the_wheel_and_a_torch_for_another_device(indexes, tmp_path):
    pages, url = indexes
    said = sentence(install(tmp_path, url, "rocm", VLLM_ROCM_VARIANT="rocm700"))
    assert said.startswith("vLLM's index has no wheel vllm==0.32.0+rocm700: look into ")
    put_torch(pages / "pypi", "2.13.0")
    said = sentence(install(tmp_path, url, "cuda"))
    assert said.startswith("pip installed a torch for cpu instead of cuda: ")
    assert not (tmp_path / "venv" / ".installed-vllm-cuda").exists()


def test_another_python_than_the_wheels_are_for(tmp_path):
    said = sentence(install(tmp_path, "http://127.0.0.1:9", "rocm", ROCM_PYTHON_WANTED="3.99"))
    assert said.startswith("vLLM for ROCm needs Python 3.99: install python3.99 and ")
    assert not (tmp_path / "venv").exists()


def test_an_environment_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "version.py").write_text("cuda = '13.0'\nhip = None\n")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    said = sentence(install(tmp_path, "http://127.0.0.1:9", "rocm"))
    assert "holds a vLLM for cuda that these scripts did not install: remove it" in said
    assert python.exists()


def test_a_device_that_is_none(tmp_path):
    said = sentence(install(tmp_path, "http://127.0.0.1:9", "tpu"))
    assert said == "vLLM can be installed for cpu, cuda or rocm, not for 'tpu'."
