"""deploy/docker/prepare.sh: settings and secrets, made once.

Guards: a name that becomes a line of its own in ``.env``, or that Compose reads as something else;
a folder that is looked for elsewhere than where the caller is; a help that never ends.
"""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.compose import checkout, prepare, resolved


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


def test_a_model_server_elsewhere_is_taken_from_the_environment(copy: Path) -> None:
    server = {"VLLM_BASE_URL": "http://gpu-host:8100/v1", "MODEL_NAME": "theirs"}
    server |= {"VLLM_API_KEY": "their-key", "MODEL_MAX_TOKENS": "6000"}
    assert prepare(copy, "--accelerator", "none", **server).returncode == 0
    web = resolved(copy)["services"]["web"]["environment"]
    secret = copy / "deploy/docker/secrets/VLLM_API_KEY"
    assert {**web, "VLLM_API_KEY": secret.read_text().strip()}.items() >= server.items()
    assert "VLLM_API_KEY" not in web
    again = prepare(copy, "--accelerator", "none", VLLM_API_KEY="another-key")
    assert "VLLM_API_KEY is there already, with another key" in again.stdout
    assert "lacks" not in again.stdout and "another-key" not in again.stdout


def test_a_server_elsewhere_has_no_key_of_ours(copy: Path) -> None:
    assert prepare(copy, "--accelerator", "none").returncode == 0
    assert (copy / "deploy/docker/secrets/VLLM_API_KEY").read_text() == "\n"


def test_a_second_run_says_what_its_options_need(copy: Path) -> None:
    assert prepare(copy, "--accelerator", "cpu", "--monitoring").returncode == 0
    settings = copy / "deploy/.env"
    site = ["--accelerator", "cpu", "--host", "camera.example.org", "--address", "203.0.113.7"]
    said = prepare(copy, *site).stdout
    lacking = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert "COMPOSE_PROFILES=monitoring,tls,turn" in lacking
    assert {"ALLOWED_HOSTS=camera.example.org,127.0.0.1", "HTTPS_ENABLED=true"} < set(lacking)
    assert not [line for line in lacking if line.startswith(("MODEL_", "COMPOSE_FILE", "LOG_"))]
    # Followed, it has all that it was asked for.
    names = {line.partition("=")[0] for line in lacking}
    kept = [
        line for line in settings.read_text().splitlines() if line.partition("=")[0] not in names
    ]
    settings.write_text("\n".join([*kept, *lacking]) + "\n")
    assert "lacks" not in prepare(copy, *site).stdout
    assert {"nginx", "coturn", "grafana", "vllm"} < resolved(copy)["services"].keys()
    moved = prepare(copy, *site[:-1], "203.0.113.8").stdout
    assert "  ICE_PUBLIC_ADDRESS=203.0.113.8\n" in moved
    assert "turnserver.conf is there already, for another address" in moved
    assert (
        "  COMPOSE_FILE=docker-compose.yml\n" not in prepare(copy, "--accelerator", "none").stdout
    )
    other = prepare(copy, "--accelerator", "cuda", "--model", str(_model(copy))).stdout
    assert "  COMPOSE_FILE=docker-compose.yml:docker/compose.cuda.yml\n" in other


@pytest.mark.parametrize("address", ["203.0.113.5", "2001:db8::5", "::1", "1:2:3:4:5:6:7:8"])
def test_which_addresses_are_accepted(copy: Path, address: str) -> None:
    options = ("--accelerator", "cpu", "--host", "camera.example.org", "--address", address)
    assert prepare(copy, *options).returncode == 0
    conf = copy / "deploy/docker/secrets/turnserver.conf"
    assert f"\nallowed-peer-ip={address}\n" in conf.read_text()


@pytest.mark.parametrize(
    "address", ["999.1.1.1", "1.2.3", "01.2.3.4", ":", "1::2::3", "2001:db8:::5", "1:2:3:4:5:6:7"]
)
def test_which_addresses_are_not(copy: Path, address: str) -> None:
    refused = prepare(copy, "--accelerator", "cpu", "--host", "a.org", "--address", address)
    assert refused.stderr.startswith("--address must be an IP address such as 203.0.113.5, not")
    assert not (copy / "deploy/.env").exists()


@pytest.mark.parametrize(
    ("accelerator", "settings", "sentence"),
    [
        ("none", {"VLLM_BASE_URL": "gpu-host:8100"}, "VLLM_BASE_URL must look like http://gpu-"),
        ("cpu", {"VLLM_BASE_URL": "http://a/v1"}, "VLLM_BASE_URL is for --accelerator none"),
        ("none", {"VLLM_BASE_URL": "http://a/v1 http://b/v1"}, "VLLM_BASE_URL must look like"),
        ("cpu", {"MODEL_MAX_TOKENS": "8k"}, "MODEL_MAX_TOKENS must be a whole number from 512"),
        ("cpu", {"MODEL_MAX_TOKENS": "9999999"}, "MODEL_MAX_TOKENS must be a whole number from"),
        ("cpu", {"MODEL_NAME": "a\nPUBLIC_URL=evil"}, "The model's name must have no control"),
        ("cpu", {"VLLM_API_KEY": "a\nb"}, "VLLM_API_KEY must be one line"),
    ],
)
def test_bad_settings_are_one_sentence(
    copy: Path, accelerator: str, settings: dict[str, str], sentence: str
) -> None:
    refused = prepare(copy, "--accelerator", accelerator, **settings)
    assert refused.stderr.startswith(sentence) and refused.stderr.count("\n") == 1
    assert not (copy / "deploy/docker/secrets").exists()


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
        (["--accelerator", "cpu", "--host", "a..b"], "--host must be a name such as"),
        (["--accelerator", "cpu", "--host", "a.-b"], "--host must be a name such as"),
        (["--accelerator", "cpu", "--accelerator", "none"], "--accelerator is given twice"),
        (["--accelerator", "cpu", "--model-name", "--host"], "--model-name needs a value"),
        (["--accelerator", "cpu", "--model-name", "-x"], "The model's name must not begin with"),
        (["--accelerator", "cpu", "--model-name", "it's"], "The model's name must have no control"),
        (["--accelerator", "cpu", "--model", "a\nb"], "--model must have no control characters"),
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


@pytest.mark.parametrize("folder", ["", "deploy", "deploy/docker", "scripts"])
def test_help_lists_the_options(copy: Path, folder: str) -> None:
    """From wherever it is called, by a path that is relative to there."""
    program = os.path.relpath(copy / "deploy/docker/prepare.sh", copy / folder)
    ran = subprocess.run(
        [program if "/" in program else f"./{program}", "-h" if folder else "--help"],
        cwd=copy / folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "--accelerator KIND" in ran.stdout and "set -euo" not in ran.stdout


def test_names_are_what_compose_reads(copy: Path) -> None:
    """The folder is seen from where the caller is."""
    folder = copy / "their models/my mo#del $HOME"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    options = ["--model", folder.name, "--model-name", 'a"b $X # c']
    ran = prepare(copy, "--accelerator", "cuda", *options, cwd=folder.parent)
    assert ran.returncode == 0, ran.stderr
    services = resolved(copy)["services"]
    # Compose prints a dollar twice.
    assert services["web"]["environment"]["MODEL_NAME"] == 'a"b $$X # c'
    (model,) = (v for v in services["vllm"]["volumes"] if v["target"] == "/model")
    assert model["source"] == str(folder).replace("$", "$$")


@pytest.mark.parametrize("there", ["deploy/.env/", "deploy/docker/secrets"])
def test_what_is_in_the_way_is_said_in_a_sentence(copy: Path, there: str) -> None:
    if there.endswith("/"):
        (copy / there).mkdir()
    else:
        (copy / there).touch()
    ran = prepare(copy, "--accelerator", "cpu")
    assert ran.returncode == 1
    assert there.rstrip("/") in ran.stderr and ran.stderr.count("\n") == 1
