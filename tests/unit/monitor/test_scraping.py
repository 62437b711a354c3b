"""What the monitor makes of servers: the platform's own application, and addresses of nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from deploy.monitor import scraping
from deploy.monitor.history import History
from deploy.monitor.page import page
from deploy.monitor.scraping import Scraper, parse_health, reachable_from_here
from qwencam_site.asgi import application
from tests.ports import free_port


async def read(url: str, transport: httpx.AsyncBaseTransport | None = None):
    async with httpx.AsyncClient(transport=transport) as client:
        return await Scraper(url, client=client, read_gpus=lambda: []).read()


@pytest.mark.django_db
async def test_a_forbidden_metrics_page_is_said_and_health_is_shown(settings, redis_url):
    settings.METRICS_ALLOW = []
    settings.ALLOWED_HOSTS = ["qwencam.example"]
    reading = await read("http://qwencam.example", httpx.ASGITransport(application))
    assert reading.metrics is None
    assert "METRICS_ALLOW" in reading.metrics_problem
    assert reading.health.checks["redis"].status == "ok"
    assert reading.health.version == settings.VERSION


async def test_nobody_there_is_a_sentence():
    reading = await read(f"http://127.0.0.1:{free_port()}")
    assert reading.health.status == "unreachable"
    assert "Nothing answers there" in reading.health.problem
    assert reading.metrics_problem == ""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            httpx.Response(200, text="<html>hello</html>"),
            "answers 200, and that is no health report",
        ),
        (httpx.Response(200, json={"status": "ok"}), "answers 200, and that is no health report"),
        (httpx.Response(200, json=[1]), "answers 200, and that is no health report"),
        (
            httpx.Response(301, headers={"location": "https://x.example/health"}),
            "redirects to https://x.example/health",
        ),
    ],
)
def test_another_server_than_ours_is_recognised(reply, said):
    health = parse_health(reply)
    assert health.status == "unreachable"
    assert said in health.problem


@pytest.mark.parametrize(
    ("name", "server_url", "reachable"),
    [
        ("127.0.0.1:8100", "http://127.0.0.1:8000", True),
        ("127.0.0.1:8100", "http://localhost:8000", True),
        ("localhost:8100", "https://qwencam.example", False),
        ("[::1]:8100/llm", "http://10.0.0.7", False),
        ("gpu-1:8100", "https://qwencam.example", True),
        ("[2001:db8::7]:8100", "https://qwencam.example", True),
        ("127.1:8100", "http://10.0.0.7", False),
        ("2130706433:8100", "http://10.0.0.7", False),
        ("0x7f.1:8100", "http://10.0.0.7", False),
        ("0.0.0.0:8100", "http://10.0.0.7", False),
        ("LOCALHOST.:8100", "http://10.0.0.7", False),
        ("[::ffff:127.0.0.1]:8100", "http://10.0.0.7", False),
        ("127.0.0.1:8100/evil?x=", "http://127.0.0.1:8000", False),
        ("gpu-1:8100/evil", "http://10.0.0.7", False),
        ("gpu-1@127.0.0.1:8100", "http://10.0.0.7", False),
        ("gpu-1:8100\n", "http://10.0.0.7", False),
    ],
)
def test_a_loopback_of_another_machine_is_not_asked(name, server_url, reachable):
    assert reachable_from_here(name, server_url=server_url) is reachable


HOSTILE = "\x1b]52;c;eA==\x1b\\\x9b2J"


@asynccontextmanager
async def drip(first: bytes, then: bytes) -> AsyncIterator[str]:
    """A server that sends a beginning, and something more again and again; yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + first)
        try:
            while True:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass  # The reader has had enough, which is what its test waits for.
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_an_answer_that_never_ends_is_no_answer(monkeypatch):
    monkeypatch.setattr(scraping, "TIMEOUT_SECONDS", 1.0)
    async with drip(b"qwencam_sessions ", b"1") as url, asyncio.timeout(60):
        reading = await read(url)
    assert reading.health.problem == "No answer within 1 s."
    assert reading.metrics is None


async def test_an_answer_without_measure_is_no_answer(monkeypatch):
    monkeypatch.setattr(scraping, "TIMEOUT_SECONDS", 60.0)
    async with drip(b"", b"a" * 2**20) as url, asyncio.timeout(60):
        reading = await read(url)
    assert reading.health.problem == "It sends more than 4 MiB."


async def test_what_a_server_sends_never_steers_the_terminal():
    check = {"status": "down", "latency_ms": 10**400, "detail": f"d{HOSTILE}"}
    health = {"status": ["ok"], "version": f"1{HOSTILE}", "checks": {f"redis{HOSTILE}": check}}
    metrics = f'''qwencam_sockets -Inf
qwencam_streams_connected NaN
qwencam_sessions 1e400
qwencam_errors_total{{code="c{HOSTILE}"}} 1
qwencam_model_server_up{{server="s{HOSTILE}"}} 1
qwencam_time_to_first_token_seconds_bucket{{le="{HOSTILE}"}} 1
'''

    def answer(request: httpx.Request) -> httpx.Response:
        text = json.dumps(health) if request.url.path == "/health" else metrics
        return httpx.Response(200, stream=httpx.ByteStream(text.encode()))

    history = History("http://qwencam.example")
    for _ in range(2):
        history.add(await read("http://qwencam.example", httpx.MockTransport(answer)))
        lines = [
            line.plain for line in page(history, width=200, height=None, interval=2) if line.plain
        ]
        assert all(line.isprintable() for line in lines)
        for whose in ("QwenCam 1", "redis", ": d", "s"):
            assert any(f"{whose} ]52;c;eA== " in line for line in lines)


async def test_a_redirect_never_steers_the_terminal():
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"location": "http://x/\x9b2J".encode()}
        return httpx.Response(302, headers=headers, stream=httpx.ByteStream(b""))

    reading = await read("http://qwencam.example", httpx.MockTransport(answer))
    assert reading.health.problem == ("It redirects to http://x/ 2J: is this QwenCam's address?")
