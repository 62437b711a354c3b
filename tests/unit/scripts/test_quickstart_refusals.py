"""What stops the quickstart before it touches anything: one clear sentence, a non-zero exit.

Guards: a wrong Python, a port in use, a port that is none, no disk, a data folder that can't be
made, a second instance with the same data.
"""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site_certificate import self_signed

ROOT = Path(__file__).resolve().parents[3]


def refusal(data_dir: Path, **settings: str) -> str:
    """Run the quickstart, which must refuse; return the one line it said."""
    environment = {"PATH": os.environ["PATH"], "VLLM_BASE_URL": "http://127.0.0.1:1/v1"}
    environment |= {"DATA_DIR": str(data_dir), "PORT": str(free_port())} | settings
    done = subprocess.run(
        [str(ROOT / "scripts" / "quickstart.sh")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fake(folder: Path, name: str, prints: str) -> Path:
    """Make a command that prints that and succeeds."""
    folder.mkdir(exist_ok=True)
    command = folder / name
    command.write_text(f"#!/bin/sh\nprintf '{prints}'\n")
    command.chmod(0o755)
    return command


def test_a_python_that_is_too_old(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit\nexit 1\n')
    old.chmod(0o755)
    said = refusal(tmp_path / "data", PYTHON=str(old))
    assert said == f"Python 3.11 or newer is needed; tried: {old} (Python 3.9.2)."


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(tmp_path / "data", PORT=str(port))
    assert said == f"Port {port} is in use: choose another with PORT={port + 1}."


@pytest.mark.parametrize("port", ["web", "0", "65536", "80 80"])
def test_a_port_that_is_none(tmp_path, port):
    said = refusal(tmp_path / "data", PORT=port)
    assert said == f"PORT must be a port number from 1 to 65535, not '{port}'."


def test_a_port_in_use_at_another_address(tmp_path):
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(tmp_path / "data", HOST="0.0.0.0", PORT=str(port))
    assert said == f"Port {port} is in use: choose another with PORT={port + 1}."


@pytest.mark.parametrize("name", ["a%d", 'a"b', "a#b", "a?b", "a\\b", "a\nb"])
def test_a_folder_that_a_url_cannot_name(tmp_path, name):
    said = refusal(tmp_path / name)
    assert said.startswith("DATA_DIR can't be in a folder with any of ")


@pytest.mark.parametrize("host", ["nonsense", "203.0.113.7", "0.0.0.0.0"])
def test_an_address_that_is_not_this_machines(tmp_path, host):
    said = refusal(tmp_path / "data", HOST=host)
    assert said.startswith("HOST must be an address of this machine")
    assert said.endswith(f"not '{host}'.")


def test_a_certificate_that_cannot_be_read(tmp_path):
    said = refusal(tmp_path / "data", SSL_CERT_PATH="/nowhere.pem", SSL_KEY_PATH="/nowhere.pem")
    assert said == "SSL_CERT_PATH names no readable file: '/nowhere.pem'."
    said = refusal(tmp_path / "data", SSL_KEY_PATH="/nowhere.pem")
    assert said == "SSL_CERT_PATH names no readable file: ''."


def test_a_certificate_that_is_none(tmp_path):
    for name in "site", "other":
        (tmp_path / name).mkdir()
        self_signed(tmp_path / name)
    (tmp_path / "text.pem").write_text("no PEM\n")
    common = "SSL_CERT_PATH and SSL_KEY_PATH are no certificate and its key: "
    files = {
        "SSL_CERT_PATH": str(tmp_path / "site" / "site.pem"),
        "SSL_KEY_PATH": str(tmp_path / "other" / "site.key"),
    }
    assert refusal(tmp_path / "data", **files) == f"{common}the key is another certificate's."
    files["SSL_CERT_PATH"] = str(tmp_path / "text.pem")
    assert refusal(tmp_path / "data", **files).startswith(f"{common}PEM is expected")


def test_no_disk(tmp_path):
    fake(tmp_path / "bin", "df", "Filesystem Size Used Available Use%% Mounted\\nx 9 9 42 1%% /\\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    said = refusal(tmp_path / "data", PATH=path)
    assert said.startswith("Not enough disk: ")
    assert "has 42 MB free and" in said


def test_a_data_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    said = refusal(tmp_path / "file" / "data")
    assert said == f"DATA_DIR can't be created: {tmp_path / 'file' / 'data'}."


def test_a_data_folder_that_others_can_write(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    said = refusal(data)
    assert said == f"Others can write to {data}: chmod go-w it, or choose another DATA_DIR."
    data.chmod(0o755)
    (data / "run").chmod(0o775)  # Made by the first call.
    assert refusal(data).startswith(f"Others can write to {data}/run: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder to another user")
def test_a_data_folder_of_somebody_else(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12345)
    assert refusal(data) == f"{data} belongs to somebody else: choose another DATA_DIR."


def load_keys(file: Path) -> str:
    """Load the kept keys; return what then is in the environment, and the library to preload."""
    parts = "".join(f"source scripts/lib/{name}.sh; " for name in ("say", "preflight"))
    parts += f"source scripts/lib/demo_settings.sh; load_or_make_secrets {file}; "
    shown = 'echo "$DJANGO_SECRET_KEY $JWT_SECRET_KEY $REDIS_PASSWORD ${LD_PRELOAD:-unset}"'
    done = subprocess.run(
        ["bash", "-euc", parts + shown],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_keys_are_read_and_nothing_else(tmp_path):
    """Of a file that somebody has put where the made-up keys are kept."""
    kept = "k" * 40
    file = tmp_path / "env"
    file.write_text(f"JWT_SECRET_KEY={kept}\nx[$(touch hostile)]=1\nLD_PRELOAD=x.so\n")
    _, jwt, _, preloaded = load_keys(file).split()
    assert (jwt, preloaded) == (kept, "unset")
    assert not (ROOT / "hostile").exists()


@pytest.mark.parametrize("damaged", ["", "DJANGO_SECRET_KEY=short\n", "\0\xff", "JWT_SECRET_KEY="])
def test_keys_that_are_missing_or_cut_off_are_made_and_kept(tmp_path, damaged):
    file = tmp_path / "env"
    file.write_bytes(damaged.encode("latin-1") + b"\nREDIS_PASSWORD=" + b"r" * 40)
    made = load_keys(file)
    assert all(len(word) >= 40 for word in made.split()[:3])
    assert "r" * 40 in made
    assert load_keys(file) == made


def test_a_second_instance_with_the_same_data(tmp_path):
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = refusal(tmp_path)
    assert said == (
        f"QwenCam is already running with the data in {tmp_path}: "
        "end that one, or choose another DATA_DIR."
    )


def test_new_passwords_are_shown_though_the_start_failed(tmp_path):
    """They are kept as hashes only, so the next start can't show them."""
    done = subprocess.run(
        ["scripts/quickstart.sh"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path / "data"),
            "PORT": str(free_port()),
            "VLLM_BASE_URL": "http://127.0.0.1:1/v1",
            "MODEL_NAME": "away",
            "QUICKSTART_WAIT_SECONDS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Not healthy after 1 s" in done.stderr
    assert done.stdout.count("operator operator: password ") == 1
    assert done.stdout.count("user demo: password ") == 1
