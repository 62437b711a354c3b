"""The demo checkpoint reads scenes it was never trained on, from frames that came over WebRTC."""

import asyncio

import numpy as np
import pytest

from deploy.demo_model.questions import describe
from deploy.demo_model.scenes import draw, sample_scene
from tests.camera_client import CameraClient
from tests.stack import Stack

SCENES = 25
# Training draws from small seeds, its own examinations from 9,000,000.
SEED = 51_000_000
NEW_PICTURE_SECONDS = 0.6
WANTED = 0.88  # of full descriptions, word for word


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (480, 640)])
async def test_held_out_scenes_over_webrtc(stack: Stack, width: int, height: int):
    rng = np.random.default_rng((SEED, width))
    scenes = [sample_scene(rng, width=width, height=height) for _ in range(SCENES)]
    wrong = []
    async with CameraClient(stack.url, stack.token()) as camera:
        track = await camera.start_camera(draw(scenes[0], width, height))
        await camera.wait_for("stream", state="connected", width=width)
        for scene in scenes:
            track.picture = draw(scene, width, height)
            await asyncio.sleep(NEW_PICTURE_SECONDS)
            end = await camera.ask("What do you see?")
            if end.get("text") != describe(scene):
                wrong.append((describe(scene), end.get("text", end)))
    assert len(wrong) <= (1 - WANTED) * SCENES, wrong
