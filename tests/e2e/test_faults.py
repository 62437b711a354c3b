"""Parts that fail while somebody asks: a clear error in time, and nothing restarted by hand."""

import asyncio
import time

from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack

PICTURE = picture("red circle middle")


async def test_vllm_dies_while_answering(stack: Stack):
    async with CameraClient(stack.url, stack.token()) as camera:
        await camera.start_camera(PICTURE)
        assert "red" in (await camera.ask("What do you see?"))["text"]
        began = time.monotonic()
        questions = [await camera.send_question("What do you see?") for _ in range(12)]
        assert stack.kill("vllm.entrypoints") + stack.kill("VLLM") > 0
        ends = [await camera.end_of(question, patience=15) for question in questions]
        late = await camera.ask("What do you see?", patience=15)
        assert {end.get("error") for end in ends} <= {None, "model_unavailable"}
        assert late["error"] == "model_unavailable"
        assert time.monotonic() - began < 20
        assert stack.health()["checks"]["vllm"]["status"] == "down"
        await asyncio.to_thread(stack.wait_for_health, "ok", patience=240)
        assert "red" in (await camera.ask("What do you see?"))["text"]
