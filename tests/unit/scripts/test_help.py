"""``--help`` of the shell scripts: the head of the file, with nothing else looked at or done.

Guards: a help that needs what is not installed yet, that starts what it should explain, or that is
not found because the script was called by a path relative to another folder.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = (
    "deploy/docker/pin_digests.sh",
    "deploy/docker/prepare.sh",
    "scripts/lock.sh",
    "scripts/release.sh",
    "scripts/start_web_server.sh",
    "scripts/test.sh",
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shell scripts alone, without any environment."""
    folder = tmp_path_factory.mktemp("bare")
    for name in (*SCRIPTS, *(f"scripts/lib/{file.name}" for file in ROOT.glob("scripts/lib/*.sh"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def run(program: str, *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *options],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_the_head_of_the_file(bare: Path, name: str):
    before = sorted(bare.rglob("*"))
    head = []
    for line in (bare / name).read_text().splitlines()[1:]:
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").removeprefix(" "))
    for option, folder in (("--help", bare), ("-h", (bare / name).parent)):
        program = os.path.relpath(bare / name, folder)
        done = run(program if "/" in program else f"./{program}", option, cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.splitlines() == head
    assert sorted(bare.rglob("*")) == before


@pytest.mark.parametrize("name", ["deploy/docker/pin_digests.sh", "scripts/start_web_server.sh"])
def test_what_takes_no_options_refuses_them(bare: Path, name: str):
    done = run(str(bare / name), "--port", "9000", cwd=bare)
    assert done.returncode == 1
    assert done.stderr == "There is no option --port: see --help.\n"
