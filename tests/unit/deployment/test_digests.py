"""Pinning images by digest, against a registry on loopback that behaves as Docker Hub does."""

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.docker.digests import Image, PinError, digest_of, pinned
from tests.compose import COMPOSE, checkout, prepare, resolved

INDEX = "application/vnd.oci.image.index.v1+json"


class Registry(ThreadingHTTPServer):
    """Asks for a token first; every tag but ``missing`` is there, with a manifest of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.lies = False
        self.closed = False

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def manifest(self, path: str) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "of": path}).encode()

    def digest(self, repository: str, tag: str) -> str:
        body = self.manifest(f"/v2/{repository}/manifests/{tag}")
        return f"sha256:{hashlib.sha256(body).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        place = self.server.place
        if self.path.startswith("/token?"):
            assert "service=registry" in self.path and "scope=repository" in self.path
            return self._answer(200, b'{"token": "anybody"}')
        if self.server.closed or self.headers.get("Authorization") != "Bearer anybody":
            realm = (
                f'Bearer realm="http://{place}/token",service="registry",scope="repository:x:pull"'
            )
            return self._answer(401, b"{}", **{"WWW-Authenticate": realm})
        self.server.asked.append(self.path)
        if self.path.endswith("/missing"):
            return self._answer(404, b"{}")
        assert INDEX in self.headers["Accept"]
        body = self.server.manifest(self.path)
        digest = "0" * 64 if self.server.lies else hashlib.sha256(body).hexdigest()
        return self._answer(200, body, **{"Docker-Content-Digest": f"sha256:{digest}"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "registry", "repository", "tag"),
    [
        ("redis:7.2.8", "docker.io", "library/redis", "7.2.8"),
        ("docker.io/library/redis:7.2.8", "docker.io", "library/redis", "7.2.8"),
        ("prom/prometheus:v3.5.0", "docker.io", "prom/prometheus", "v3.5.0"),
        (f"vllm/vllm-openai:v0.32.0@sha256:{'1' * 64}", "docker.io", "vllm/vllm-openai", "v0.32.0"),
        ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000", "a/b", "1"),
        ("ghcr.io/a/b:1", "ghcr.io", "a/b", "1"),
    ],
)
def test_names_are_read_as_docker_reads_them(
    name: str, registry: str, repository: str, tag: str
) -> None:
    assert Image.parse(name) == Image(registry=registry, repository=repository, tag=tag)


@pytest.mark.parametrize("name", ["redis", "redis:latest", "127.0.0.1:5000/redis"])
def test_no_version_is_no_pin(name: str) -> None:
    with pytest.raises(PinError, match="names no version"):
        Image.parse(name)


def test_docker_hub_is_asked_where_it_answers() -> None:
    url = Image.parse("redis:7.2.8").url
    assert url == "https://registry-1.docker.io/v2/library/redis/manifests/7.2.8"


def test_the_digest_is_the_manifest_s(registry: Registry) -> None:
    image = Image.parse(f"{registry.place}/library/redis:7.2.8")
    assert digest_of(image) == registry.digest("library/redis", "7.2.8")


def test_a_registry_that_contradicts_itself_is_not_believed(registry: Registry) -> None:
    registry.lies = True
    with pytest.raises(PinError, match="another manifest than it says"):
        digest_of(Image.parse(f"{registry.place}/library/redis:7.2.8"))


def test_a_tag_that_is_not_there(registry: Registry) -> None:
    with pytest.raises(PinError, match=r"redis:missing: the registry answers? 404|lets nobody"):
        digest_of(Image.parse(f"{registry.place}/library/redis:missing"))


def test_a_registry_that_lets_nobody_in(registry: Registry) -> None:
    registry.closed = True
    with pytest.raises(PinError, match="lets nobody read it"):
        digest_of(Image.parse(f"{registry.place}/library/redis:7"))


def test_what_is_built_is_pinned_by_its_base(registry: Registry) -> None:
    base = f"{registry.place}/library/python:3.12.12"
    project = {
        "services": {
            "web": {"image": "qwencam:1", "build": {"args": {"BASE": base}}},
            "redis": {"image": f"{registry.place}/library/redis:7"},
            "other": {"image": "x", "build": {"context": "."}},
        }
    }
    digest = registry.digest("library/python", "3.12.12")
    services = pinned(project)["services"]
    assert services["web"] == {"build": {"args": {"BASE": f"{base}@{digest}"}}}
    assert services["redis"]["image"].endswith("@" + registry.digest("library/redis", "7"))
    assert set(services) == {"web", "redis"}


def test_the_whole_project_is_pinned_by_one_command(registry: Registry, tmp_path: Path) -> None:
    copy = checkout(tmp_path)
    deploy = copy / "deploy"
    # As a site with a registry of its own has it: every image by another name.
    for file in (deploy / "docker-compose.yml", *(deploy / "docker").glob("compose.*.yml")):
        file.write_text(file.read_text().replace("docker.io/", f"{registry.place}/"))
    prepare(copy, "--accelerator", "cpu", "--monitoring").check_returncode()
    settings = (deploy / ".env").read_text()
    files = "COMPOSE_FILE=docker-compose.yml:docker/compose.cpu.yml"
    assert files in settings
    (deploy / ".env").write_text(settings.replace(files, f"{files}:docker/compose.digests.yml"))
    for _ in range(2):  # And once more, from what is pinned already.
        ran = subprocess.run(
            [deploy / "docker/pin_digests.sh"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COMPOSE": str(COMPOSE)},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        services = resolved(copy)["services"]
        assert len(services) == 9
        for service in services.values():
            named = service["build"]["args"]["BASE"] if "build" in service else service["image"]
            image = Image.parse(named)
            assert named == f"{image.name}@{registry.digest(image.repository, image.tag)}"
    assert not list((deploy / "docker").glob("*.partial"))


def test_a_failure_leaves_what_was_pinned(registry: Registry, tmp_path: Path) -> None:
    copy = checkout(tmp_path)
    deploy = copy / "deploy"
    compose_file = deploy / "docker-compose.yml"
    compose_file.write_text(compose_file.read_text().replace("docker.io/", f"{registry.place}/"))
    prepare(copy, "--accelerator", "none").check_returncode()
    (deploy / "docker/compose.digests.yml").write_text("services: {}\n")
    registry.closed = True
    ran = subprocess.run(
        [deploy / "docker/pin_digests.sh"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COMPOSE": str(COMPOSE)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "lets nobody read it" in ran.stderr and "Traceback" not in ran.stderr
    assert (deploy / "docker/compose.digests.yml").read_text() == "services: {}\n"
