"""deploy/docker/prepare.sh: settings and secrets, made once."""

import stat
import subprocess
from pathlib import Path

import pytest

from tests.compose import checkout, resolved


def prepare(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [copy / "deploy/docker/prepare.sh", *options], capture_output=True, text=True
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def test_secrets_are_made_once_and_fit_each_other(copy: Path) -> None:
    assert prepare(copy, "--accelerator", "cpu").returncode == 0
    folder = copy / "deploy/docker/secrets"
    first = {file.name: file.read_text().strip() for file in folder.iterdir()}
    random = ("DJANGO_SECRET_KEY", "JWT_SECRET_KEY", "VLLM_API_KEY", "TURN_SECRET")
    assert len({first[name] for name in random}) == 4
    assert all(len(first[name]) >= 48 for name in random)
    assert f":{first['database_password']}@127.0.0.1:15432/" in first["DATABASE_URL"]
    password = first["redis_password.conf"].removeprefix("requirepass ")
    assert first["REDIS_URL"] == f"redis://:{password}@127.0.0.1:16379/0"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    settings = (copy / "deploy/.env").read_text()

    again = prepare(copy, "--accelerator", "rocm", "--model", str(_model(copy)))
    assert again.returncode == 0 and "stays as it is" in again.stdout
    assert first == {file.name: file.read_text().strip() for file in folder.iterdir()}
    assert (copy / "deploy/.env").read_text() == settings
    assert not any(secret in again.stdout for secret in first.values() if secret)


def _model(copy: Path) -> Path:
    model = copy / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    return model


def test_without_a_site_s_name_it_is_for_this_host_alone(copy: Path) -> None:
    assert prepare(copy, "--accelerator", "cpu").returncode == 0
    services = resolved(copy)["services"]
    assert set(services) == {"migrate", "web", "worker", "beat", "redis", "postgres", "vllm"}
    web = services["web"]["environment"]
    assert web["ALLOWED_HOSTS"] == "localhost,127.0.0.1"
    assert web.get("HTTPS_ENABLED") is None
    (model,) = (v for v in services["vllm"]["volumes"] if v["target"] == "/model")
    assert model["source"] == str(copy / "deploy/demo_model/checkpoint")


def test_coturn_gets_the_platform_s_secret(copy: Path) -> None:
    options = ["--host", "camera.example.org", "--address", "203.0.113.7"]
    assert prepare(copy, "--accelerator", "none", *options).returncode == 0
    folder = copy / "deploy/docker/secrets"
    lines = (folder / "turnserver.conf").read_text().splitlines()
    assert f"static-auth-secret={(folder / 'TURN_SECRET').read_text().strip()}" in lines
    assert "realm=camera.example.org" in lines
    assert "allowed-peer-ip=203.0.113.7" in lines
    assert not [line for line in lines if "allowed-peer-ip=203.0.113.5" in line]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Give --accelerator rocm, cuda, cpu or none, not ''."),
        (["--accelerator", "tpu"], "Give --accelerator rocm, cuda, cpu or none, not 'tpu'."),
        (["--accelerator"], "--accelerator needs a value: --help says which."),
        (["--accelerator", "rocm"], "Give --model FOLDER: scripts/download_model.sh fetches one."),
        (
            ["--accelerator", "rocm", "--model", "/nowhere"],
            "--model names no model's folder: '/nowhere' has no config.json.",
        ),
        (["--accelerator", "cpu", "--host", "a b"], "--host must be a name such as"),
        (["--accelerator", "cpu", "--address", "here"], "--address must be an IP address such as"),
        (["--accelerator", "cpu", "--address", "203.0.113.5"], "--address needs --host"),
        (["--speed"], "There is no option --speed: --help lists them."),
    ],
)
def test_bad_options_are_one_sentence_and_make_nothing(
    copy: Path, options: list[str], sentence: str
) -> None:
    ran = prepare(copy, *options)
    assert ran.returncode == 1
    assert ran.stderr.startswith(sentence) and ran.stderr.count("\n") == 1
    assert not (copy / "deploy/.env").exists()
    assert not (copy / "deploy/docker/secrets").exists()


def test_help_lists_the_options(copy: Path) -> None:
    ran = prepare(copy, "--help")
    assert ran.returncode == 0
    assert "--accelerator KIND" in ran.stdout and "set -euo" not in ran.stdout
