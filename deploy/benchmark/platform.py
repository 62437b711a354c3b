"""The platform under test: one of the benchmark's own, or a given one."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from deploy.benchmark.children import ROOT

START_SECONDS: Final = 900
_LIMITS: Final = {
    "MAX_SESSIONS": "1000",
    "MAX_SESSIONS_PER_USER": "1000",
    "MAX_SESSIONS_PER_ADDRESS": "1000",
    "TOKEN_REQUESTS_PER_MINUTE": "10000",
    "MAX_QUESTIONS_PER_MINUTE": "10000",
    "MAX_QUEUE_DEPTH": "1000",
}


@dataclass(frozen=True)
class Platform:
    """Where it is, who may log in, and its web servers' processes where they are on this machine.

    With several web servers, users spread over `urls` evenly.
    """

    urls: tuple[str, ...]
    username: str
    password: str
    webs: tuple[psutil.Process, ...]

    @property
    def url(self) -> str:
        """The first web server's."""
        return self.urls[0]


class OwnPlatform:
    """Starts `scripts/quickstart.sh` on a free port with limits that a benchmark needs.

    Args:
        web_servers: how many there are; those after the first run as the first does, on ports of
            their own, with the same database and Redis.
    """

    def __init__(
        self, *, model_url: str, settings: dict[str, str] | None = None, web_servers: int = 1
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qwencam-benchmark-"))
        self._settings = {**_LIMITS, "VLLM_BASE_URL": model_url, **(settings or {})}
        self._web_servers = web_servers
        self._process: asyncio.subprocess.Process | None = None
        self._further: list[psutil.Popen] = []

    async def __aenter__(self) -> Platform:
        """Start it and wait until it is ready."""
        port, password = free_port(), secrets.token_urlsafe(12)
        environment = {
            **os.environ,
            **self._settings,
            "PORT": str(port),
            "DATA_DIR": str(self.folder / "data"),
            "DEMO_USER": "demo",
            "DEMO_PASSWORD": password,
        }
        log = self.folder / "log"
        with log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                "./scripts/quickstart.sh",
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            return await self._ready(port, password, log)
        except BaseException:
            await self.__aexit__()
            raise

    async def _ready(self, port: int, password: str, log: Path) -> Platform:
        """Wait until it says where it is, then start the further web servers."""
        if self._process is None:
            raise RuntimeError("The platform was not started.")
        async with asyncio.timeout(START_SECONDS):
            while not re.search(r"^Open ", said := await asyncio.to_thread(log.read_text), re.M):
                if self._process.returncode is not None:
                    raise RuntimeError("The platform did not come up:\n" + said)
                await asyncio.sleep(0.2)
        first = find_web_server(psutil.Process(self._process.pid))
        ports = [port] + [free_port() for _ in range(self._web_servers - 1)]
        for further in ports[1:]:
            self._further.append(start_another(first, port, further))
            await _until_open(further)
        urls = tuple(f"http://127.0.0.1:{each}" for each in ports)
        return Platform(urls, "demo", password, (first, *self._further))

    async def __aexit__(self, *_: object) -> None:
        """Stop it and delete its data."""
        for further in self._further:
            further.terminate()
            await asyncio.to_thread(further.wait, 20)
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class GivenPlatform:
    """A platform that runs already; `pid` is its web server's when it is on this machine."""

    url: str
    username: str
    password: str
    pid: int | None

    async def __aenter__(self) -> Platform:
        """Return it. Raises RuntimeError when nothing answers there."""
        try:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
                await http.get(f"{self.url.rstrip('/')}/health")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RuntimeError(f"No platform answers at {self.url}.") from error
        webs = (psutil.Process(self.pid),) if self.pid else ()
        return Platform((self.url.rstrip("/"),), self.username, self.password, webs)

    async def __aexit__(self, *_: object) -> None:
        """Leave it running."""


AnyPlatform = OwnPlatform | GivenPlatform


def find_web_server(ancestor: psutil.Process) -> psutil.Process:
    """Return the web server among a quickstart's processes."""
    for process in ancestor.children(recursive=True):
        if any("daphne" in word for word in process.cmdline()):
            return process
    raise RuntimeError("The platform has no web server process.")


def start_another(first: psutil.Process, port: int, further: int) -> psutil.Popen:
    """Run what `first` runs, on another port."""
    command = [str(further) if word == str(port) else word for word in first.cmdline()]
    return psutil.Popen(
        command,
        cwd=first.cwd(),
        env=first.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _until_open(port: int) -> None:
    async with asyncio.timeout(60):
        while not await is_open(port):  # noqa: ASYNC110  (no event tells of it)
            await asyncio.sleep(0.2)


async def is_open(port: int) -> bool:
    """Return whether something listens on that port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
