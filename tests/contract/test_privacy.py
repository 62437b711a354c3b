"""The privacy filters in a running platform, from a camera over WebRTC to the model server.

Guards: with face blur on, the model server gets a picture without a face, for a question and in
live mode; with the NSFW filter on, a refused picture goes nowhere and the asker is told why; both
follow the live settings while the platform runs; `/metrics` counts what they did.
"""

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient, Message
from tests.faces import face_picture, faces_in_jpeg, meet
from tests.stack import Stack

PICTURE = face_picture(640, 480, size=160, left=0.3, top=0.1)
# Live settings are in force within two seconds; later on a machine that stands still.
SETTLE_SECONDS = 60


@pytest.fixture(scope="module")
def private_stack(
    stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A platform that blurs faces, and would refuse every picture were the NSFW filter on."""
    stack = Stack(
        tmp_path_factory.mktemp("private") / "data",
        VLLM_BASE_URL=stand_in.base_url,
        ENABLE_FACE_BLUR="true",
        NSFW_THRESHOLD="0",
        LIVE_CHANGE_THRESHOLD="0",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture
async def camera(private_stack: Stack) -> AsyncIterator[CameraClient]:
    """A camera user who shows a face."""
    async with CameraClient(private_stack.url, private_stack.token()) as client:
        await client.start_camera(PICTURE)
        await client.wait_for("stream", state="connected")
        yield client


def override(stack: Stack, name: str, value: object) -> None:
    """Set a live setting, as the operator's console does."""
    with closing(sqlite3.connect(stack.data_dir / "db.sqlite3", timeout=20)) as database:
        database.execute(
            "INSERT INTO live_settings_override (name, value, changed_at)"
            " VALUES (?, ?, datetime('now'))"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, json.dumps(value)],
        )
        database.commit()


async def until(camera: CameraClient, holds: Callable[[Message], bool]) -> None:
    """Ask until an answer is as it is once the new setting is in force."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while not holds(await camera.ask("And now?")):
            await asyncio.sleep(0.2)


def picture_of(request: dict[str, Any]) -> bytes:
    """Return the JPEG that a request brought to the model server."""
    for part in request["messages"][-1]["content"]:
        if part["type"] == "image_url":
            return base64.b64decode(part["image_url"]["url"].partition(",")[2])
    raise AssertionError("The request has no picture.")


def metric(stack: Stack, filter_name: str, outcome: str) -> float:
    """Return how many frames a filter has counted."""
    wanted = f'qwencam_frames_filtered_total{{filter="{filter_name}",outcome="{outcome}"}} '
    for line in httpx.get(f"{stack.url}/metrics", timeout=30).text.splitlines():
        if line.startswith(wanted):
            return float(line.removeprefix(wanted))
    return 0.0


async def test_the_model_server_sees_no_face(
    private_stack: Stack, camera: CameraClient, script: Script, stand_in: StandInModel
):
    assert (await camera.ask("Who is there?"))["type"] == "response"
    blurred = picture_of(stand_in.requests[-1])

    def shows_a_face(end: Message) -> bool:
        assert end["type"] == "response"
        return any(face.score > 0.5 for face in faces_in_jpeg(picture_of(stand_in.requests[-1])))

    await asyncio.to_thread(override, private_stack, "enable_face_blur", False)
    try:
        await until(camera, shows_a_face)
        (face,) = faces_in_jpeg(picture_of(stand_in.requests[-1]))
    finally:
        await asyncio.to_thread(override, private_stack, "enable_face_blur", True)
        await until(camera, lambda end: not shows_a_face(end))
    # Where the face was, nothing is taken for one; the same camera without the filter shows it.
    assert not any(meet(face, other) for other in faces_in_jpeg(blurred))
    assert metric(private_stack, "face_blur", "changed") >= 1


async def test_nor_in_live_mode(camera: CameraClient, script: Script, stand_in: StandInModel):
    await camera.send(type="live", prompt="What do you see?", rate=5)
    await camera.wait_for_count(3, "live")
    await camera.send(type="live_stop")
    assert len(stand_in.requests) >= 3
    for request in list(stand_in.requests):
        assert not [face for face in faces_in_jpeg(picture_of(request)) if face.score > 0.5]


async def test_a_refused_picture_goes_nowhere_and_says_why(
    private_stack: Stack, camera: CameraClient, script: Script, stand_in: StandInModel
):
    await asyncio.to_thread(override, private_stack, "enable_nsfw_filter", True)
    try:
        await until(camera, lambda end: end["type"] == "error")
        stand_in.requests.clear()
        refusal = await camera.ask("What do you see?")
        assert (refusal["type"], refusal["error"]) == ("error", "nsfw_refused")
        assert refusal["detail"].endswith(".")
        count = len(camera.messages)
        await camera.send(type="live", prompt="What do you see?")
        await camera.wait_for("error", since=count, error="nsfw_refused")
        await camera.send(type="live_stop")
        assert stand_in.requests == []
        assert metric(private_stack, "nsfw", "refused") >= 2
    finally:
        await asyncio.to_thread(override, private_stack, "enable_nsfw_filter", False)
    await until(camera, lambda end: end["type"] == "response")
