"""Two real vLLM servers behind one platform, one of them killed under load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from tests.camera_client import CameraClient, Message
from tests.scenes import picture
from tests.stack import Stack
from tests.vllm_server import VllmForks, VllmServer, metric

ASKERS = 6
SERVED = "vllm:request_success_total"


@pytest.fixture(scope="module")
def second(vllm_forks: VllmForks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A server beside the one that all end-to-end tests have."""
    server = VllmServer(tmp_path_factory.mktemp("vllm") / "second.log", forks=vllm_forks)
    server.start()
    try:
        server.wait(patience=600)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def two_server_stack(
    stack: Stack, second: VllmServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    two_servers = Stack(
        tmp_path_factory.mktemp("two") / "data",
        VLLM_BASE_URL=f"{stack.facts()['vllm_base_url']},{second.base_url}",
        HISTORY_TURNS="0",
        MAX_SESSIONS_PER_USER="100",
        MAX_QUESTIONS_PER_MINUTE="10000",
        TOKEN_REQUESTS_PER_MINUTE="1000",
    )
    two_servers.start(patience=300)
    yield two_servers
    assert two_servers.stop() == []


@pytest.fixture
async def cameras(two_server_stack: Stack) -> AsyncIterator[list[CameraClient]]:
    async with AsyncExitStack() as opened:
        clients = [
            CameraClient(two_server_stack.url, two_server_stack.token()) for _ in range(ASKERS)
        ]
        for client in clients:
            await opened.enter_async_context(client)
            await client.start_camera(picture("red circle middle", width=320, height=240))
        yield clients


async def keep_asking(camera: CameraClient, ends: list[Message], enough: asyncio.Event) -> None:
    """Ask about one picture again and again: cameras may be late where two vLLMs run beside."""
    first = await camera.send_question("What do you see?", keep_frame=True)
    ends.append(await camera.end_of(first))
    while not enough.is_set():
        question = await camera.send_question("What do you see?", frame=first)
        ends.append(await camera.end_of(question, patience=60))


async def served_more(base_url: str, *, than: float) -> None:
    """Wait until a server has given more answers."""
    async with asyncio.timeout(60):
        while True:
            with suppress(httpx.TransportError):
                if await asyncio.to_thread(metric, base_url, SERVED) > than:
                    return
            await asyncio.sleep(0.2)


async def test_one_killed_under_load_costs_no_question(
    stack: Stack, second: VllmServer, cameras: list[CameraClient]
):
    first = stack.facts()["vllm_base_url"]
    before = await asyncio.to_thread(metric, first, SERVED)
    ends: list[Message] = []
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as askers:
        for camera in cameras:
            askers.create_task(keep_asking(camera, ends, enough))
        await served_more(first, than=before + 2)
        await served_more(second.base_url, than=2)
        await asyncio.to_thread(second.kill)
        killed = len(ends)
        async with asyncio.timeout(120):
            while len(ends) < killed + 5 * ASKERS:
                await asyncio.sleep(0.1)
        enough.set()
    failed = [end for end in ends if end["type"] != "response"]
    assert failed == []
    assert all("red" in end["text"] for end in ends)

    # Started again, it is asked again.
    await asyncio.to_thread(second.start)
    await asyncio.to_thread(second.wait, patience=600)
    enough.clear()
    async with asyncio.TaskGroup() as askers:
        for camera in cameras:
            askers.create_task(keep_asking(camera, ends, enough))
        await served_more(second.base_url, than=0)
        enough.set()
    assert all(end["type"] == "response" for end in ends)
