"""Is a model server alive? Never an exception, whatever it does."""

import time

import pytest

from apps.inference import health
from apps.inference.health import probe
from tests.unit.inference.model_server import ModelServer, Reply


async def test_a_healthy_server_is_alive():
    async with ModelServer() as fake:
        assert await probe(fake.base_url) == (True, "")
        assert fake.requests[0].path == "/health"


@pytest.mark.parametrize(("status", "alive"), [(404, True), (401, True), (500, False)])
async def test_any_answer_but_a_failure_is_a_sign_of_life(status, alive):
    async def answer(reply: Reply) -> None:
        await reply.plain(status)

    async with ModelServer(health=answer) as fake:
        assert (await probe(fake.base_url))[0] is alive


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://", "nonsense", "http://[::1/v1"])
async def test_no_server_no_life(url):
    alive, detail = await probe(url)
    assert not alive
    assert detail


async def test_a_hanging_server_is_given_up(monkeypatch):
    async def hang(reply: Reply) -> None:
        await reply.until_hung_up()

    monkeypatch.setattr(health, "PROBE_SECONDS", 0.1)
    async with ModelServer(health=hang) as fake:
        began = time.monotonic()
        assert not (await probe(fake.base_url))[0]
        assert time.monotonic() - began < 20
