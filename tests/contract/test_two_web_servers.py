"""Two web servers share the work: what one holds, the other can use and end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import psutil
import pytest

from deploy.benchmark.platform import start_another
from deploy.stand_in_model import Script
from tests.camera_client import CameraClient
from tests.ports import free_port
from tests.scenes import picture
from tests.stack import Stack

PICTURE = picture("red circle middle")


@pytest.fixture(scope="module")
def other_url(light_stack: Stack) -> Iterator[str]:
    """A second web server of the light stack, on a port of its own."""
    (first,) = light_stack.processes("daphne")
    port = free_port()
    second = start_another(first, light_stack.port, port)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/health", timeout=5)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield url
    second.terminate()
    assert second.wait(20) in (0, -15)


@pytest.fixture
async def split(
    light_stack: Stack, other_url: str
) -> AsyncIterator[tuple[CameraClient, CameraClient]]:
    """One session: its socket at the first server, its stream at the other."""
    token = light_stack.token()
    stream = CameraClient(other_url, token)
    async with CameraClient(light_stack.url, token) as chat:
        await stream.start_camera_over_http(PICTURE)
        await chat.wait_for("stream", state="connected", width=640)
        yield chat, stream
    await stream.drop_camera()


async def test_a_socket_at_one_asks_about_a_stream_at_the_other(
    split: tuple[CameraClient, CameraClient], script: Script
):
    chat, _ = split
    answer = await chat.ask("What do you see?")
    assert (answer["type"], answer["text"]) == ("response", "A red star.")
    assert answer["frame"]["age_ms"] < 2000
    await chat.send(type="live", prompt="What do you see?", rate=2)
    assert (await chat.wait_for("live"))["text"] == "A red star."


async def test_an_end_at_one_ends_the_stream_at_the_other(
    split: tuple[CameraClient, CameraClient], light_stack: Stack
):
    chat, stream = split
    headers = {"Authorization": f"Bearer {chat.token['access']}"}
    async with httpx.AsyncClient(base_url=light_stack.url, headers=headers) as http:
        assert (await http.delete("/api/session")).status_code == 204
    assert await chat.wait_closed() == 4404
    async with asyncio.timeout(20):
        while stream.camera.peer.connectionState not in ("closed", "failed"):
            await asyncio.sleep(0.1)


def test_each_has_its_own_process(light_stack: Stack, other_url: str):
    ports = {int(url.rsplit(":", 1)[1]) for url in (light_stack.url, other_url)}
    holders = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    }
    assert len(holders) == 2
