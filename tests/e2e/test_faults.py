"""The model server fails while somebody asks: a clear error in time, nothing restarted by hand."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import pytest

from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack

PICTURE = picture("red circle middle")
ERROR_SECONDS = 10


@pytest.fixture
async def watching(stack: Stack) -> AsyncIterator[CameraClient]:
    """A camera user to whom the model has answered once."""
    async with CameraClient(stack.url, stack.token()) as camera:
        await camera.start_camera(PICTURE)
        assert "red" in (await camera.ask("What do you see?"))["text"]
        yield camera


def signal_vllm(stack: Stack, how: signal.Signals) -> None:
    """Signal the API server and its engine."""
    assert stack.kill("vllm.entrypoints", how=how) + stack.kill("VLLM", how=how) >= 2


async def expect_model_unavailable(camera: CameraClient, question_id: str) -> None:
    """Fail unless the question ends so within ``ERROR_SECONDS`` from now."""
    end = await camera.end_of(question_id, patience=ERROR_SECONDS)
    assert end["type"] == "error", end
    assert end["error"] == "model_unavailable"


async def answers_again(stack: Stack, camera: CameraClient) -> None:
    """Wait for the supervisor's work, then ask on the same socket and stream."""
    await asyncio.to_thread(stack.wait_for_health, "ok", patience=240)
    assert "red" in (await camera.ask("What do you see?"))["text"]


async def test_vllm_killed_while_answering(stack: Stack, watching: CameraClient):
    # Standing still, the server has taken the questions and can't have answered them.
    signal_vllm(stack, signal.SIGSTOP)
    questions = [await watching.send_question("What do you see?") for _ in range(5)]
    await asyncio.sleep(1)
    said = [m["type"] for m in watching.messages if m.get("id") in questions]
    assert not {"token", "response"} & set(said)
    signal_vllm(stack, signal.SIGKILL)
    killed_at = time.monotonic()
    for question in questions:
        await expect_model_unavailable(watching, question)
    assert time.monotonic() - killed_at < ERROR_SECONDS
    await expect_model_unavailable(watching, await watching.send_question("What do you see?"))
    health = await asyncio.to_thread(stack.wait_for_health, "degraded", patience=15)
    assert health["checks"]["vllm"]["status"] == "down"
    await answers_again(stack, watching)


async def test_vllm_hangs_while_answering(stack: Stack, watching: CameraClient):
    signal_vllm(stack, signal.SIGSTOP)
    await expect_model_unavailable(watching, await watching.send_question("What do you see?"))
    signal_vllm(stack, signal.SIGCONT)
    await answers_again(stack, watching)
