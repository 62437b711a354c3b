"""Every WebSocket message and close code of the public contract, spoken with a running platform."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.client import Camera, ConnectionLost, Refused, open_session
from deploy.stand_in_model import Script
from tests.camera_client import CameraClient, SceneTrack
from tests.stack import ROOT, Stack

PICTURE = np.full((480, 640, 3), 200, dtype=np.uint8)


async def close_code(stack: Stack, session_id: str, subprotocols: list[str]) -> tuple[int, list]:
    """Connect; return the code the server closes with and what it said before."""
    said = []
    url = f"ws{stack.url.removeprefix('http')}/ws/{session_id}"
    async with connect(url, subprotocols=subprotocols or None) as socket:
        try:
            while True:
                said.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, said


async def test_ready_comes_first(camera: CameraClient):
    ready = camera.messages[0]
    assert ready["type"] == "ready"
    assert ready["session_id"] == camera.token["session_id"]
    assert ready["model"] == "qwencam-demo"
    assert ready["limits"]["question_chars"] == 2000


async def test_ping_pong(camera: CameraClient):
    await camera.send(type="ping")
    await camera.wait_for("pong")


async def test_without_a_token_4401(light_stack: Stack):
    session_id = light_stack.token()["session_id"]
    for offered in (["qwencam.v1"], ["qwencam.v1", "bearer.nonsense"]):
        code, said = await close_code(light_stack, session_id, offered)
        assert code == 4401
        assert said[-1]["error"] == "not_authenticated"


async def test_without_our_subprotocol_4401_says_so(light_stack: Stack):
    token = light_stack.token()
    for offered in ([], [f"bearer.{token['access']}"]):
        code, said = await close_code(light_stack, token["session_id"], offered)
        assert code == 4401
        assert "qwencam.v1" in said[-1]["detail"]


async def test_with_a_strangers_token_4403(light_stack: Stack):
    owner, stranger = light_stack.token(), light_stack.token("operator")
    offered = ["qwencam.v1", f"bearer.{stranger['access']}"]
    code, said = await close_code(light_stack, owner["session_id"], offered)
    assert code == 4403
    assert said[-1]["error"] == "forbidden"


async def test_another_sites_page_is_refused(light_stack: Stack):
    token = light_stack.token()
    client = CameraClient(light_stack.url, token)
    with pytest.raises(Exception, match="403"):
        await client.open_socket(origin="https://evil.example")


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/no-session", "/api/token"])
async def test_a_socket_of_another_address_is_refused(light_stack: Stack, path: str):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws{light_stack.url.removeprefix('http')}{path}"):
            pass
    assert refused.value.response.status_code == 403
    assert "No route found" not in (light_stack.data_dir / "logs" / "web.log").read_text()


async def test_after_the_end_4404(camera: CameraClient, light_stack: Stack):
    headers = {"Authorization": f"Bearer {camera.token['access']}"}
    async with httpx.AsyncClient(base_url=light_stack.url) as http:
        assert (await http.delete("/api/session", headers=headers)).status_code == 204
    assert await camera.wait_closed() == 4404
    assert camera.messages[-1] == {"type": "ended", "reason": "user"}
    offered = ["qwencam.v1", f"bearer.{camera.token['access']}"]
    code, said = await close_code(light_stack, camera.token["session_id"], offered)
    assert code == 4404
    assert said[-1]["error"] == "session_ended"


async def test_a_newer_socket_takes_over_4409(camera: CameraClient):
    async with CameraClient(camera.url, camera.token) as newer:
        assert await camera.wait_closed() == 4409
        await newer.send(type="ping")
        await newer.wait_for("pong")


async def test_a_large_message_4413(camera: CameraClient):
    await camera.send(type="chat", content="x" * 100_000)
    assert await camera.wait_closed() == 4413
    assert camera.messages[-1]["error"] == "message_too_large"


async def test_an_offer_is_answered_and_the_stream_connects(camera: CameraClient):
    await camera.start_camera(PICTURE)
    stream = await camera.wait_for("stream", state="connected", width=640)
    assert stream["height"] == 480
    await camera.send(type="candidate", candidate="candidate:1 1 UDP 1 10.0.0.1 9 typ host")
    await camera.send(type="ping")
    await camera.wait_for("pong")


async def test_a_question_is_answered_in_order(camera: CameraClient, script: Script):
    script.token_seconds = 0.05
    await camera.start_camera(PICTURE)
    question_id = await camera.send_question("What do you see?")
    queued = await camera.wait_for("queued", id=question_id)
    assert queued["position"] >= 1
    response = await camera.end_of(question_id)
    assert response["type"] == "response"
    tokens = camera.tokens_of(question_id)
    assert [token["seq"] for token in tokens] == list(range(1, len(tokens) + 1))
    assert "".join(token["text"] for token in tokens) == response["text"] == "A red star."
    assert set(response["frame"]) == {"age_ms", "width", "height", "captured_at"}
    assert 0 < response["ttft"] < 10
    assert response["inference_time"] > 0.1
    assert response["usage"] == {"prompt_tokens": 10, "completion_tokens": 4}


async def test_the_whole_job_over_http_signaling(light_stack: Stack, script: Script):
    client = CameraClient(light_stack.url, light_stack.token())
    await client.start_camera_over_http(PICTURE)
    async with client:
        assert (await client.ask("What do you see?"))["text"] == "A red star."


async def test_a_question_before_the_first_frame_waits_for_it(camera: CameraClient, script: Script):
    question_id = await camera.send_question("What do you see?")
    await asyncio.sleep(1)
    assert not [m for m in camera.messages if m["type"] in {"error", "token"}]
    await camera.start_camera(PICTURE)
    assert (await camera.end_of(question_id))["type"] == "response"


async def test_a_question_without_a_camera_says_so_in_the_end(
    camera: CameraClient, light_stack: Stack
):
    """Though its socket has closed before, too: it would hold a place of the queue for ever."""
    async with CameraClient(light_stack.url, light_stack.token()) as leaver:
        left = await leaver.send_question("What do you see?")
        await leaver.wait_for("queued", id=left)
        await leaver.close_socket()
        began = time.monotonic()
        error = await camera.ask("What do you see?", patience=20)
        assert error["error"] == "no_stream"
        # FRAME_WAIT_SECONDS, and one.
        await asyncio.sleep(max(0.0, began + 11 - time.monotonic()))
        await leaver.open_socket()
        await leaver.send(type="resume", id=left, after=0)
        end = await leaver.end_of(left, patience=5)
    assert (end["error"], end["detail"]) == ("no_stream", "Start the camera first, then ask.")


async def test_earlier_turns_are_told_to_the_model(camera: CameraClient, script: Script, stand_in):
    await camera.start_camera(PICTURE)
    await camera.ask("What do you see?")
    await camera.ask("And what colour is it?")
    roles = [message["role"] for message in stand_in.requests[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert stand_in.requests[-1]["messages"][2]["content"] == "A red star."


async def test_a_cancelled_question_says_so(camera: CameraClient, script: Script):
    script.tokens, script.token_seconds = ["x"] * 500, 0.05
    await camera.start_camera(PICTURE)
    question_id = await camera.send_question("What do you see?")
    await camera.wait_for("token", id=question_id)
    await camera.send(type="cancel", id=question_id)
    assert (await camera.end_of(question_id))["error"] == "cancelled"


def image_of(request: dict) -> dict:
    """Return the image part of a request to the model."""
    parts = [
        part
        for message in request["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    (image,) = [part for part in parts if part["type"] == "image_url"]
    return image


async def test_a_further_question_stays_on_the_frame(
    camera: CameraClient, script: Script, stand_in
):
    track = await camera.start_camera(PICTURE)
    await camera.send(type="chat", id="first", content="What do you see?", keep_frame=True)
    first = await camera.end_of("first")
    track.picture = PICTURE // 3
    await asyncio.sleep(0.5)
    await camera.send(type="chat", id="second", content="And its colour?", frame="first")
    second = await camera.end_of("second")
    assert second["frame"]["captured_at"] == first["frame"]["captured_at"]
    await camera.send(type="chat", id="third", content="Sure?", frame="second")
    assert (await camera.end_of("third"))["type"] == "response"
    images = [image_of(request) for request in stand_in.requests[-3:]]
    assert images[0] == images[1] == images[2]
    one, two = (request["messages"] for request in stand_in.requests[-3:-1])
    assert two[: len(one)] == one
    assert two[-1]["content"] == "And its colour?"
    # A question of its own is about what the camera sees now.
    fresh = await camera.ask("And now?")
    assert fresh["frame"]["captured_at"] > first["frame"]["captured_at"]
    assert image_of(stand_in.requests[-1]) != images[0]


async def test_a_frame_that_nobody_asked_to_keep_is_gone(camera: CameraClient, script: Script):
    await camera.start_camera(PICTURE)
    response = await camera.ask("What do you see?")
    for frame in (response["id"], "never-asked"):
        await camera.send(type="chat", id=f"of-{frame}", content="And?", frame=frame)
        assert (await camera.end_of(f"of-{frame}"))["error"] == "frame_gone"


async def test_live_answers_keep_coming_until_stopped(camera: CameraClient, script: Script):
    await camera.start_camera(PICTURE)
    await camera.send(type="live", prompt="What do you see?", rate=2)
    first = await camera.wait_for("live")
    assert first["text"] == "A red star."
    assert {"inference_time", "frame"} <= set(first)
    await camera.wait_for("live", since=camera.messages.index(first) + 1)
    script.tokens = ["Now", " blue."]
    await camera.send(type="live", prompt="And now?")
    await camera.wait_for("live", text="Now blue.")
    await camera.send(type="live_stop")
    await asyncio.sleep(1)
    count = len(camera.messages)
    await asyncio.sleep(1.5)
    assert not [m for m in camera.messages[count:] if m["type"] == "live"]


async def test_live_mode_tells_of_an_unchanged_scene_and_notices_a_change(
    camera: CameraClient, script: Script, stand_in
):
    track = await camera.start_camera(PICTURE)
    await camera.wait_for("stream", state="connected", width=640)
    await camera.send(type="live", prompt="What do you see?", rate=5)
    same = await camera.wait_for("live", unchanged=True)
    assert same["text"] == "A red star."
    assert set(same["frame"]) == {"age_ms", "width", "height", "captured_at"}
    await camera.wait_for_count(6, "live")
    asked = len(stand_in.requests)
    assert asked < 6
    script.tokens = ["Something", " came."]
    changed = PICTURE.copy()
    changed[100:160, 100:160] = 20
    track.picture = changed
    await camera.wait_for("live", text="Something came.")
    assert len(stand_in.requests) > asked
    await camera.send(type="live_stop")


async def test_resume_after_a_lost_socket_brings_the_rest(camera: CameraClient, script: Script):
    script.tokens, script.token_seconds = [f"{n} " for n in range(60)], 0.05
    await camera.start_camera(PICTURE)
    question_id = await camera.send_question("Count.")
    await camera.wait_for("token", id=question_id)
    await camera.close_socket()
    seen = len(camera.tokens_of(question_id))
    await asyncio.sleep(0.5)
    await camera.open_socket()
    await camera.send(type="resume", id=question_id, after=seen)
    response = await camera.end_of(question_id)
    tokens = camera.tokens_of(question_id)
    assert [token["seq"] for token in tokens] == list(range(1, len(tokens) + 1))
    assert "".join(token["text"] for token in tokens) == response["text"]
    assert response["text"] == "".join(script.tokens)


class HeldConnection(ClientConnection):
    """A socket that reads nothing while `free` is not set."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.free = asyncio.Event()
        self.free.set()

    async def recv(self, decode: bool | None = None) -> Any:
        await self.free.wait()
        return await super().recv(decode)


async def test_a_slow_reader_loses_nothing_of_2000_tokens(light_stack: Stack, script: Script):
    script.tokens = [f"{number} " for number in range(2000)]
    script.token_seconds = 0.001
    client = CameraClient(light_stack.url, light_stack.token())
    # No more than one message waits here: the server has to hold the rest.
    await client.open_socket(max_queue=1, create_connection=HeldConnection)
    async with client:
        await client.start_camera(PICTURE)
        question_id = await client.send_question("Count.")
        await client.wait_for("token", id=question_id)
        client.camera.socket.free.clear()
        await asyncio.sleep(3)
        client.camera.socket.free.set()
        response = await client.end_of(question_id, patience=60)
        tokens = client.tokens_of(question_id)
    assert [token["seq"] for token in tokens] == list(range(1, len(tokens) + 1))
    assert "".join(token["text"] for token in tokens) == response["text"] == "".join(script.tokens)


async def test_the_client_goes_on_where_its_socket_was_lost(light_stack: Stack, script: Script):
    script.tokens, script.token_seconds = [f"{n} " for n in range(30)], 0.05
    user = {"username": "demo", "password": light_stack.password("demo")}
    async with open_session(light_stack.url, **user) as session, Camera(session) as camera:
        await camera.stream(SceneTrack(PICTURE))
        answer = await camera.ask("Count.")
        texts = [await anext(aiter(answer))]
        await camera.close_socket()
        with pytest.raises(ConnectionLost):
            await answer.whole()
        first = session.access
        session._expires_at = 0.0  # A quarter of an hour later.
        await camera.reconnect()
        assert session.access != first
        texts += [text async for text in answer]
        assert answer.response is not None
        assert "".join(texts) == answer.response["text"] == "".join(script.tokens)
    with pytest.raises(Refused) as refused:
        await session.call("GET", "/api/session")
    assert (refused.value.code, refused.value.status) == ("session_ended", 401)


async def test_the_client_watches_live_and_is_told_of_errors(light_stack: Stack, script: Script):
    user = {"username": "demo", "password": light_stack.password("demo")}
    async with open_session(light_stack.url, **user) as session, Camera(session) as camera:
        await camera.offer_over_http(SceneTrack(PICTURE))
        async with aclosing(camera.live("What do you see?", rate=2)) as answers:
            assert (await anext(answers))["text"] == "A red star."
        with pytest.raises(Refused) as refused:
            await (await camera.ask("x" * 2001)).whole()
        assert refused.value.code == "question_too_long"
        script.tokens, script.token_seconds = ["x"] * 500, 0.05
        answer = await camera.ask("What do you see?")
        await anext(aiter(answer))
        await camera.cancel(answer)
        with pytest.raises(Refused) as refused:
            await answer.whole()
        assert refused.value.code == "cancelled"


def write_video(path: Path) -> None:
    """Write two seconds of a grey picture."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = np.full((240, 320, 3), 128, dtype=np.uint8)
        for _ in range(20):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def test_the_example_in_the_documentation_runs(light_stack: Stack, script: Script, tmp_path: Path):
    write_video(tmp_path / "video.mp4")
    document = (ROOT / "docs" / "protocol.md").read_text()
    (example,) = re.findall(r"^```python\n(.+?)^```", document, re.MULTILINE | re.DOTALL)
    ended = subprocess.run(
        [sys.executable, "-c", example, light_stack.url, "demo", tmp_path / "video.mp4"],
        cwd=ROOT,
        env={**os.environ, "PASSWORD": light_stack.password("demo")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (0, "A red star."), ended.stderr


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "chat", "content": "x" * 2001}, "question_too_long"),
        ({"type": "live", "prompt": "x" * 2001}, "question_too_long"),
        ({"type": "resume", "id": "nowhere", "after": 0}, "unknown_question"),
        ({"type": "cancel", "id": "nowhere"}, "unknown_question"),
        ({"type": "chat"}, "bad_request"),
        ({"type": "shutdown"}, "unknown_type"),
        ({"type": "offer", "sdp": "garbage"}, "offer_invalid"),
    ],
)
async def test_what_can_not_be_done_is_one_clear_error(
    camera: CameraClient, message: dict, code: str
):
    await camera.send(**message)
    error = await camera.wait_for("error")
    assert error["error"] == code
    assert error["detail"].endswith(".")


async def test_an_id_can_not_be_used_twice(camera: CameraClient, script: Script):
    await camera.start_camera(PICTURE)
    response = await camera.ask("What do you see?")
    await camera.send(type="chat", id=response["id"], content="Again?")
    assert (await camera.wait_for("error"))["error"] == "bad_request"
