"""Which frame a question is answered on, with a running platform.

Guards: a stream that has stopped gives `stream_stalled` and no answer on its last picture; a
question that waits for a busy worker keeps the frame of the moment it was asked, and says its age.
"""

import asyncio
import signal

import numpy as np

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.stack import Stack

PICTURE = np.full((480, 640, 3), 200, dtype=np.uint8)


async def test_a_stalled_stream_is_told_instead_of_answered_on(
    camera: CameraClient, script: Script, stand_in: StandInModel
):
    track = await camera.start_camera(PICTURE)
    assert (await camera.ask("What do you see?"))["type"] == "response"
    since = len(camera.messages)
    track.paused = True
    await camera.wait_for("stream", state="stalled", since=since)
    error = await camera.ask("And now?")
    assert error["error"] == "stream_stalled"
    assert len(stand_in.requests) == 1
    since = len(camera.messages)
    track.paused = False
    await camera.wait_for("stream", state="connected", since=since)
    assert (await camera.ask("And now?"))["type"] == "response"


async def test_a_question_that_waits_keeps_the_frame_it_was_asked_on(
    camera: CameraClient, light_stack: Stack, script: Script
):
    await camera.start_camera(PICTURE)
    assert (await camera.ask("What do you see?"))["frame"]["age_ms"] < 1000
    light_stack.kill("celery", how=signal.SIGSTOP)
    try:
        question = await camera.send_question("What do you see?")
        await camera.wait_for("queued", id=question)
        await asyncio.sleep(2.5)
    finally:
        light_stack.kill("celery", how=signal.SIGCONT)
    response = await camera.end_of(question)
    assert response["type"] == "response"
    assert 2500 <= response["frame"]["age_ms"] < 10_000
