"""What the platform makes a real vLLM do, told by vLLM's own metrics."""

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from deploy.models.checkpoint import describe
from deploy.models.fit import Place, fit
from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack
from tests.vllm_server import VllmForks, VllmServer, endless_checkpoint, metric

PICTURE = picture("red circle middle", width=320, height=240)
RUNNING = "vllm:num_requests_running"
GENERATED = "vllm:generation_tokens_total"
LONGEST = 3500
"""Tokens of an answer that nobody stops: twenty seconds and more."""


@pytest.fixture(scope="module")
def endless(
    vllm_forks: VllmForks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """A vLLM whose answers only end when they are as long as they may be."""
    folder = tmp_path_factory.mktemp("endless")
    server = VllmServer(folder / "vllm.log", forks=vllm_forks, model=endless_checkpoint(folder))
    server.start()
    try:
        server.wait(patience=600)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def endless_stack(endless: VllmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("stack") / "data",
        VLLM_BASE_URL=endless.base_url,
        RESPONSE_MAX_TOKENS=str(LONGEST),
        HISTORY_TURNS="0",
        TOKEN_REQUESTS_PER_MINUTE="1000",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


async def running(server: VllmServer, count: int, *, patience: float) -> None:
    """Wait until vLLM says that it works on so many requests."""
    async with asyncio.timeout(patience):
        while await asyncio.to_thread(metric, server.base_url, RUNNING) != count:
            await asyncio.sleep(0.1)


def test_the_hardware_check_computes_the_cache_that_vllm_makes(endless: VllmServer):
    page = httpx.get(endless.base_url.removesuffix("/v1") + "/metrics", timeout=30).text
    (line,) = [line for line in page.splitlines() if line.startswith("vllm:cache_config_info{")]
    told = dict(re.findall(r'(\w+)="([^"]*)"', line))
    model = describe(str(endless.model)).shape.as_dtype("float32")
    found = fit(model, Place(memory_bytes=64 * 1024**3, gpus=0, context=4096))
    assert found.cache_tokens == int(told["num_gpu_blocks"]) * int(told["block_size"])


async def test_a_cancelled_question_stops_generation(endless: VllmServer, endless_stack: Stack):
    async with CameraClient(endless_stack.url, endless_stack.token()) as camera:
        await camera.start_camera(PICTURE)
        before = metric(endless.base_url, GENERATED)
        question = await camera.send_question("What do you see?")
        await running(endless, 1, patience=30)
        await camera.send(type="cancel", id=question)
        assert (await camera.end_of(question, patience=5))["error"] == "cancelled"
        await running(endless, 0, patience=5)
        assert metric(endless.base_url, GENERATED) - before < LONGEST


async def test_live_mode_that_is_switched_off_stops_generation(
    endless: VllmServer, endless_stack: Stack
):
    async with CameraClient(endless_stack.url, endless_stack.token()) as camera:
        await camera.start_camera(PICTURE)
        await camera.send(type="live", prompt="What do you see?")
        await running(endless, 1, patience=30)
        await camera.send(type="live_stop")
        await running(endless, 0, patience=5)
