"""Compose's files, read by the real Docker Compose: every fragment with every profile."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qwencam_site import __version__
from tests.compose import checkout, compose, prepare, resolved
from tests.stack import ROOT

FRAGMENTS = ("", "rocm", "cuda", "cpu")
PROFILES = ("tls", "turn", "monitoring")
BY_PROFILE = {"tls": {"nginx"}, "turn": {"coturn"}, "monitoring": {"prometheus", "grafana"}}
ALWAYS = {"migrate", "web", "worker", "beat", "redis", "postgres"}
OURS = ("migrate", "web", "worker", "beat")
COMBINATIONS = [chosen for count in range(4) for chosen in itertools.combinations(PROFILES, count)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, prepared for a site on AMD GPUs with everything."""
    made = checkout(tmp_path_factory.mktemp("checkout"))
    model = made / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    options = ["--accelerator", "rocm", "--model", str(model), "--model-name", "a-model"]
    options += ["--host", "camera.example.org", "--address", "203.0.113.5", "--monitoring"]
    prepare(made, *options).check_returncode()
    return made


def files_of(fragment: str) -> list[str]:
    return ["docker-compose.yml", *([f"docker/compose.{fragment}.yml"] if fragment else [])]


@pytest.fixture(scope="module")
def everything(copy: Path) -> dict[str, Any]:
    """The whole project, by the .env that was made."""
    return resolved(copy)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_every_combination_is_understood(copy: Path, fragment: str) -> None:
    for profiles in COMBINATIONS:
        listed = compose(
            *(copy, "config", "--services"),
            files=files_of(fragment),
            profiles=profiles,
            COMPOSE_PROFILES="",
        )
        assert (listed.returncode, listed.stderr) == (0, ""), (profiles, listed.stderr)
        wanted = ALWAYS.union(*(BY_PROFILE[profile] for profile in profiles))
        assert set(listed.stdout.split()) == wanted | ({"vllm"} if fragment else set())


@pytest.mark.parametrize(
    ("file", "line", "typo"),
    [
        ("docker-compose.yml", "healthcheck:", "healthchek:"),
        ("docker-compose.yml", "condition: service_healthy", "condition: service_helthy"),
        ("docker/vllm.yml", "shm_size: 16g", "shm_sise: 16g"),
        ("docker/compose.rocm.yml", "group_add:", "groups_add:"),
    ],
)
def test_a_typo_is_found(copy: Path, tmp_path: Path, file: str, line: str, typo: str) -> None:
    other = tmp_path / "copy"
    shutil.copytree(copy, other)
    path = other / "deploy" / file
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, typo, 1))
    assert compose(other, "config", "--quiet").returncode != 0


def test_a_gpu_without_a_model_is_told_in_a_sentence(copy: Path) -> None:
    ran = compose(copy, "config", "-q", files=files_of("cuda"), MODEL_PATH="")
    assert ran.returncode != 0
    assert "Set MODEL_PATH in deploy/.env to the folder of the model." in ran.stderr


def test_what_was_prepared_is_the_whole_site(everything: dict[str, Any]) -> None:
    services = everything["services"]
    assert set(services) == ALWAYS.union({"vllm"}, *BY_PROFILE.values())
    web = services["web"]["environment"]
    assert web["ALLOWED_HOSTS"] == "camera.example.org,127.0.0.1"
    assert web["ICE_PUBLIC_ADDRESS"] == "203.0.113.5"
    assert json.loads(web["ICE_SERVERS"])[0]["urls"][0] == "turn:camera.example.org:3478"
    assert (web["SSL_CERT_PATH"], web["HOST"]) == ("", "127.0.0.1")
    certificate = next(v for v in services["nginx"]["volumes"] if v["target"].endswith(".pem"))
    assert certificate["source"] == "/etc/letsencrypt/live/camera.example.org/fullchain.pem"
    assert services["vllm"]["environment"]["MODEL_NAME"] == web["MODEL_NAME"] == "a-model"


@pytest.mark.parametrize("fragment", FRAGMENTS[1:])
def test_what_every_service_has(copy: Path, fragment: str) -> None:
    services = resolved(copy, files=files_of(fragment), profiles=PROFILES)["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["deploy"]["resources"]["limits"]["pids"], name
        assert "privileged" not in service, name
        if name != "vllm":
            assert service["read_only"] is True, name
            assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        # Reached from outside: nobody but by the host's own network, and nobody else's ports.
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
    caps = {name: service["cap_add"] for name, service in services.items() if "cap_add" in service}
    assert caps == {
        "nginx": ["NET_BIND_SERVICE", "SETUID", "SETGID", "CHOWN"],
        "coturn": ["NET_BIND_SERVICE"],
    }


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_one_image_and_know_no_secret(
    everything: dict[str, Any], name: str
) -> None:
    service = everything["services"][name]
    assert service["image"] == f"qwencam:{__version__}"
    assert service["build"]["args"]["VERSION"] == __version__
    assert service["user"] == "10001:10001"
    assert service["network_mode"] == "host"
    for secret in (
        "DJANGO_SECRET_KEY",
        "JWT_SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
        "TURN_SECRET",
    ):
        assert service["environment"][f"{secret}_FILE"] == f"/run/secrets/{secret}"
        assert secret not in service["environment"]


def test_they_start_and_stop_in_order(everything: dict[str, Any]) -> None:
    services = everything["services"]
    for name in ("web", "worker", "beat"):
        conditions = {k: v["condition"] for k, v in services[name]["depends_on"].items()}
        assert conditions == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["nginx"]["depends_on"]["web"]["condition"] == "service_healthy"


def test_nobody_is_killed_before_the_answers_may_be_finished(copy: Path) -> None:
    def grace(**settings: str) -> list[str]:
        services = resolved(copy, **settings)["services"]
        return [services[name]["stop_grace_period"] for name in ("web", "worker")]

    # A minute more than each: env.example's 20 and 120 s.
    assert grace() == ["1m20s", "3m0s"]
    assert grace(DRAIN_SECONDS="600", MODEL_TIMEOUT_SECONDS="900.5") == ["11m0s", "16m0.5s"]


def test_redis_can_write_nothing(everything: dict[str, Any]) -> None:
    redis = everything["services"]["redis"]
    assert redis["read_only"] is True
    assert all(volume["read_only"] for volume in redis["volumes"])
    assert all("size=1m" in entry for entry in redis["tmpfs"])


def test_amd_gpus_without_more_rights_than_needed(everything: dict[str, Any]) -> None:
    vllm = everything["services"]["vllm"]
    assert {device["source"] for device in vllm["devices"]} == {"/dev/kfd", "/dev/dri"}
    assert len(vllm["group_add"]) == 2 and all(gid.isdigit() for gid in vllm["group_add"])
    assert "ipc" not in vllm and int(vllm["shm_size"]) == 16 << 30


def test_nvidia_gpus_are_reserved(copy: Path) -> None:
    vllm = resolved(copy, files=files_of("cuda"))["services"]["vllm"]
    (device,) = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", -1, ["gpu"])


@pytest.mark.parametrize(
    ("fragment", "flag"),
    [
        ("rocm", "--gpu-memory-utilization"),
        ("cuda", "--gpu-memory-utilization"),
        ("cpu", "--enforce-eager"),
    ],
)
def test_the_model_server_s_container_has_what_its_start_needs(
    copy: Path, tmp_path: Path, fragment: str, flag: str
) -> None:
    """Its entry point runs with the mounted files alone, and prints the command of that device."""
    vllm = resolved(copy, files=files_of(fragment))["services"]["vllm"]
    inside = {}
    for volume in vllm["volumes"]:
        place = tmp_path / volume["target"].removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(volume["source"])
        inside[volume["target"]] = place
    config = {"architectures": ["Qwen2_5_VLForConditionalGeneration"]}
    (copy / "model/config.json").write_text(json.dumps(config))
    environment = {**vllm["environment"], "MODEL_PATH": str(inside["/model"])}
    environment["VLLM_API_KEY_FILE"] = str(copy / "deploy/docker/secrets/VLLM_API_KEY")
    # The links' targets must not be left: the script goes to the folder above its own.
    script = tmp_path / "opt/qwencam/scripts/start_vllm_server.sh"
    ran = subprocess.run(
        [*vllm["entrypoint"][:1], script, "--print-command"],
        env={**environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        cwd=tmp_path / vllm["working_dir"].removeprefix("/"),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert flag in ran.stdout
    assert "--host \\\n    0.0.0.0" in ran.stdout or "--host 0.0.0.0" in ran.stdout.replace(
        "\\\n   ", ""
    )
    assert (copy / "deploy/docker/secrets/VLLM_API_KEY").read_text().strip() not in ran.stdout


def test_every_name_that_compose_reads_is_in_env_example() -> None:
    folder = ROOT / "deploy"
    read = set()
    for file in (folder / "docker-compose.yml", *(folder / "docker").glob("*.yml")):
        read |= set(re.findall(r"\$\{([A-Z_]+)", file.read_text()))
    listed = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / "env.example").read_text(), re.M)
    assert read and read <= set(listed)


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run(
        [hadolint, "--failure-threshold=style", ROOT / "deploy/docker/Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_its_linter_finds_a_mistake(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN cd /tmp && sudo apt-get install curl\n")
    hadolint = Path(sys.executable).with_name("hadolint")
    assert subprocess.run([hadolint, bad], capture_output=True).returncode == 1
