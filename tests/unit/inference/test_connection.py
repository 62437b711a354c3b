"""Is a model server alive? Never an exception, whatever it does.

Guards against: a server taken for dead that is late with its health but sends tokens, tokens that
wait for the end of a probe.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apps.inference import connection
from apps.inference.connection import LivenessTimeout, ServerDead, http_client, probe
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

    monkeypatch.setattr(connection, "PROBE_SECONDS", 0.1)
    async with ModelServer(health=hang) as fake:
        began = time.monotonic()
        assert not (await probe(fake.base_url))[0]
        assert time.monotonic() - began < 20


@asynccontextmanager
async def liveness(
    server: ModelServer, *, deadline: float = 60, suspected: bool = False
) -> AsyncIterator[LivenessTimeout]:
    async with (
        http_client([server.base_url]) as client,
        LivenessTimeout(
            server.base_url,
            client=client,
            stall_seconds=60 if suspected else 0.01,
            suspected=lambda: suspected,
            deadline=time.monotonic() + deadline,
        ) as timeout,
    ):
        yield timeout


async def unwell(reply: Reply) -> None:
    await reply.plain(503)


@pytest.mark.parametrize("suspected", [False, True])
async def test_silence_is_waited_out_while_the_server_is_alive(suspected, monkeypatch):
    monkeypatch.setattr(connection, "SUSPECT_EVERY_SECONDS", 0.01)
    async with ModelServer() as fake, liveness(fake, suspected=suspected) as timeout:

        async def step() -> str:
            while len(fake.requests) < 3:
                await asyncio.sleep(0.01)
            fake.health = unwell
            await asyncio.Event().wait()
            return ""

        with pytest.raises(ServerDead, match="503"):
            await timeout.wait(step())
        assert await timeout.wait(asyncio.sleep(0, "next")) == "next"


async def test_a_wait_has_a_deadline():
    async with ModelServer() as fake, liveness(fake, deadline=0.05) as timeout:
        with pytest.raises(TimeoutError):
            await timeout.wait(asyncio.Event().wait())


async def test_what_comes_during_a_probe_is_a_sign_of_life(monkeypatch):
    monkeypatch.setattr(connection, "PROBE_SECONDS", 30.0)
    probed, spoken = asyncio.Event(), asyncio.Event()

    async def late_and_unwell(reply: Reply) -> None:
        probed.set()
        await spoken.wait()
        fake.health = unwell_no_more
        await reply.plain(503)

    async def unwell_no_more(reply: Reply) -> None:
        probed.set()
        await reply.plain(200)

    async with ModelServer(health=late_and_unwell) as fake, liveness(fake) as timeout:
        assert await timeout.wait(probed.wait())  # Not held up by the probe that is under way.
        probed.clear()
        spoken.set()
        assert await timeout.wait(probed.wait())  # What that probe says is out of date.
