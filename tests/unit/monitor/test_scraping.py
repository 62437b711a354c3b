"""What the monitor makes of servers: the platform's own application, and addresses of nobody."""

import httpx
import pytest

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
    assert "nothing answers there" in reading.health.problem
    assert reading.metrics_problem == ""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.Response(200, text="<html>hello</html>"), "answers 200 and no health report"),
        (httpx.Response(200, json={"status": "ok"}), "answers 200 and no health report"),
        (httpx.Response(200, json=[1]), "answers 200 and no health report"),
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
    ],
)
def test_a_loopback_of_another_machine_is_not_asked(name, server_url, reachable):
    assert reachable_from_here(name, server_url=server_url) is reachable
