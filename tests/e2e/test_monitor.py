"""The monitor on the whole platform: it shows what vLLM says of itself."""

import json
import subprocess
import sys

import numpy as np

from deploy.demo_model.scenes import draw, sample_scene
from tests.camera_client import CameraClient
from tests.stack import ROOT, Stack


def look(stack: Stack) -> dict:
    result = subprocess.run(
        [sys.executable, "scripts/monitor.py", "--json", "--server-url", stack.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    (server,) = json.loads(result.stdout)["model_servers"].values()
    return server


async def test_vllms_own_numbers(stack: Stack):
    before = look(stack)
    async with CameraClient(stack.url, stack.token()) as camera:
        scene = sample_scene(np.random.default_rng(7), width=640, height=480)
        await camera.start_camera(draw(scene, 640, 480))
        assert (await camera.ask("What do you see?"))["type"] == "response"
    after = look(stack)
    assert after["up"] is True
    assert after["first_token"]["count"] > before["first_token"]["count"]
    assert after["first_token"]["p95"] > 0
    assert after["running"] == 0
    assert after["waiting"] == 0
    assert 0 <= after["kv_cache"] <= 1
    assert after["preemptions"] == 0
