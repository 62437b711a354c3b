"""Two model servers behind one platform: sessions stay, a killed server costs no question."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import numpy as np
import pytest

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.stack import Stack

PICTURE = np.full((480, 640, 3), 200, dtype=np.uint8)
TOKENS = [f"{number} " for number in range(20)]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[StandInModel]]:
    """Two scripted servers; a test may kill the second."""
    models = [StandInModel(), StandInModel()]
    for model in models:
        model.start()
    yield models
    models[0].stop()


@pytest.fixture(scope="module")
def two_server_stack(
    servers: list[StandInModel], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("two") / "data",
        VLLM_BASE_URL=",".join(model.base_url for model in servers),
        MAX_SESSIONS_PER_USER="100",
        MAX_QUESTIONS_PER_MINUTE="1000",
        TOKEN_REQUESTS_PER_MINUTE="1000",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture
async def cameras(two_server_stack: Stack) -> AsyncIterator[list[CameraClient]]:
    async with AsyncExitStack() as opened:
        clients = [CameraClient(two_server_stack.url, two_server_stack.token()) for _ in range(4)]
        for client in clients:
            await opened.enter_async_context(client)
            await client.start_camera(PICTURE)
        yield clients


def metric(stack: Stack, name: str, server: StandInModel) -> float | None:
    """Return what the metrics page says of a server."""
    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    start = f'{name}{{server="{host}"}} '
    for line in httpx.get(f"{stack.url}/metrics", timeout=30).text.splitlines():
        if line.startswith(start):
            return float(line.removeprefix(start))
    return None


async def until_metric(stack: Stack, name: str, server: StandInModel, value: float) -> None:
    async with asyncio.timeout(30):
        while await asyncio.to_thread(metric, stack, name, server) != value:
            await asyncio.sleep(0.1)


async def test_each_session_stays_on_one_server_and_both_are_used(
    two_server_stack: Stack, servers: list[StandInModel], cameras: list[CameraClient]
):
    for model in servers:
        model.script = Script()
        model.requests.clear()
    for _ in range(3):
        for number, camera in enumerate(cameras):
            assert (await camera.ask(f"I am {number}."))["type"] == "response"
    asked = [
        {request["messages"][-1]["content"][1]["text"] for request in model.requests}
        for model in servers
    ]
    assert [len(words) for words in asked] == [2, 2]
    assert not asked[0] & asked[1]


async def test_a_server_killed_under_load_costs_no_question(
    two_server_stack: Stack, servers: list[StandInModel], cameras: list[CameraClient]
):
    for model in servers:
        await until_metric(two_server_stack, "qwencam_model_server_up", model, 1)
        model.script = Script(tokens=TOKENS, first_token_seconds=0.5, token_seconds=0.1)
        model.requests.clear()
    questions = [
        (camera, await camera.send_question("Count.")) for _ in range(3) for camera in cameras
    ]
    # Some have said something by then, and some have not.
    await cameras[0].wait_for("token", id=questions[0][1])
    for number, camera in enumerate(cameras):
        questions.append((camera, await camera.send_question(f"And {number}?")))
    for model in servers:
        async with asyncio.timeout(30):
            while not model.requests:
                await asyncio.sleep(0.05)
    await asyncio.to_thread(servers[1].kill)
    ends = [await camera.end_of(question) for camera, question in questions]
    assert [end.get("text") for end in ends] == ["".join(TOKENS)] * len(questions)
    for camera, question in questions:
        tokens = camera.tokens_of(question)
        assert "".join(token["text"] for token in tokens) == "".join(TOKENS)
    await until_metric(two_server_stack, "qwencam_model_server_up", servers[1], 0)
    await until_metric(two_server_stack, "qwencam_model_server_answers", servers[0], 0)
    assert (await cameras[0].ask("Still there?"))["type"] == "response"
