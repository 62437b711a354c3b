"""Parts that fail while somebody asks: a clear error in time, and nothing restarted by hand."""

import asyncio
import signal
import time

import pytest

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack

PICTURE = picture("red circle middle")


@pytest.fixture
async def watching(camera: CameraClient) -> CameraClient:
    """A camera user whose stream is connected."""
    await camera.start_camera(PICTURE)
    await camera.wait_for("stream", state="connected", width=640)
    return camera


async def test_a_killed_worker_before_the_first_token_is_replaced(
    watching: CameraClient, light_stack: Stack, script: Script, stand_in: StandInModel
):
    script.first_token_seconds = 60
    question_id = await watching.send_question("What do you see?")
    async with asyncio.timeout(30):
        while not stand_in.requests:  # The worker has it, and has asked the model.
            await asyncio.sleep(0.02)
    script.first_token_seconds = 0
    assert light_stack.kill("celery -A qwencam_site worker") > 0
    end = await watching.end_of(question_id, patience=30)
    assert end["type"] == "response"
    assert end["text"] == "A red star."


async def test_a_killed_worker_in_the_midst_of_an_answer_is_a_clear_error(
    watching: CameraClient, light_stack: Stack, script: Script
):
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    script.tokens, script.token_seconds = ["x"] * 2000, 0.05
    question_id = await watching.send_question("Count.")
    await watching.wait_for("token", id=question_id)
    assert light_stack.kill("celery -A qwencam_site worker") > 0
    assert (await watching.end_of(question_id, patience=30))["error"] == "worker_lost"
    script.tokens, script.token_seconds = ["Back", "."], 0
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    assert (await watching.ask("What do you see?"))["text"] == "Back."


async def test_redis_restarted(watching: CameraClient, light_stack: Stack, script: Script):
    assert (await watching.ask("What do you see?"))["type"] == "response"
    script.first_token_seconds = 60.0
    outstanding = await watching.send_question("And now?")
    await watching.wait_for("queued", id=outstanding)
    redis = light_stack.processes("redis-server")
    assert redis
    for process in redis:
        process.send_signal(signal.SIGSTOP)  # Hangs: the worst of all ways to be away.
    health = await asyncio.to_thread(light_stack.wait_for_health, "down", patience=10)
    assert health["checks"]["redis"]["status"] == "down"
    assert health["checks"]["redis"]["detail"]
    for process in redis:
        process.kill()
    script.first_token_seconds = 0.0
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=60)
    deadline = time.monotonic() + 60
    if watching.close_code is not None:
        await watching.open_socket()
        await watching.send(type="resume", id=outstanding, after=0)
    # What Redis has forgotten is not left hanging.
    assert (await watching.end_of(outstanding, patience=60))["type"] == "error"
    while True:
        if watching.close_code is not None:
            await watching.open_socket()
        end = await watching.ask("What do you see?", patience=40)
        if end["type"] == "response":
            return
        assert time.monotonic() < deadline, end
        await asyncio.sleep(1)


async def test_a_restarting_server_says_so(
    watching: CameraClient, light_stack: Stack, script: Script
):
    (daphne,) = light_stack.processes("daphne")
    daphne.terminate()
    assert await watching.wait_closed() == 1012
    await asyncio.to_thread(daphne.wait, 15)
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    await watching.open_socket()
    await watching.start_camera(PICTURE)
    assert (await watching.ask("What do you see?"))["text"] == "A red star."


async def test_a_server_that_stops_finishes_the_answers_under_way(
    watching: CameraClient, light_stack: Stack, script: Script
):
    script.tokens, script.token_seconds = ["One", " two", " three", "."], 0.5
    question = await watching.send_question("Count.")
    await watching.wait_for("token", id=question)
    (daphne,) = light_stack.processes("daphne")
    daphne.terminate()
    await asyncio.sleep(0.2)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", light_stack.port)
    assert (await watching.end_of(question))["text"] == "One two three."
    assert await watching.wait_closed() == 1012
    await asyncio.to_thread(daphne.wait, 15)
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)


async def test_a_long_answer_goes_on_in_the_servers_next_life(
    watching: CameraClient, light_stack: Stack, script: Script
):
    """The limit of the drain, five seconds here, cuts the socket, not the answer."""
    script.tokens, script.token_seconds = ["x"] * 100, 0.1
    question = await watching.send_question("Count.")
    await watching.wait_for("token", id=question)
    (daphne,) = light_stack.processes("daphne")
    daphne.terminate()
    assert await watching.wait_closed() == 1012
    seen = watching.tokens_of(question)[-1]["seq"]
    assert not [m for m in watching.messages if m["type"] == "response"]
    await asyncio.to_thread(daphne.wait, 15)
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    await watching.open_socket()
    await watching.send(type="resume", id=question, after=seen)
    assert (await watching.end_of(question))["text"] == "x" * 100


async def test_a_question_right_after_the_web_server_was_killed(
    watching: CameraClient, light_stack: Stack, script: Script
):
    """Redis still tells of the stream that the killed process had."""
    assert light_stack.kill("daphne") == 1
    await watching.wait_closed()
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    await watching.open_socket()
    question = await watching.send_question("What do you see?")
    await watching.wait_for("queued", id=question)
    await watching.start_camera(PICTURE)
    assert (await watching.end_of(question)).get("text") == "A red star."


async def test_garbage_bothers_nobody_else(
    watching: CameraClient, light_stack: Stack, script: Script
):
    (daphne,) = light_stack.processes("daphne")
    stranger = CameraClient(light_stack.url, light_stack.token("operator"))
    async with stranger:
        for number in range(20):
            await stranger.send(type="offer", sdp="v=0\r\n" + "garbage\r\n" * number)
        await stranger.wait_for_count(20, "error")
        refusals = {m["error"] for m in stranger.messages if m["type"] == "error"}
        assert refusals <= {"offer_invalid", "video_missing"}
        for garbage in ("", "{", "[]", "null", '{"type":5}', "\x00" * 100, "[" * 5000, '"chat"'):
            await stranger.send_raw(garbage)
        await stranger.send_raw(b"\x00\xff" * 50)
        for number in range(11):
            await stranger.send(type="chat", content=number, id=f"q{number}")
        assert (await watching.ask("What do you see?"))["text"] == "A red star."
        await stranger.wait_for_count(40, "error")
        errors = [message for message in stranger.messages if message["type"] == "error"]
        assert len(errors) == 40
        assert all(error["detail"].endswith(".") for error in errors)
        await stranger.send_raw("x" * 5_000_000)
        assert await stranger.wait_closed() == 4413
        assert stranger.messages[-1]["error"] == "message_too_large"
    assert (await watching.ask("What do you see?"))["text"] == "A red star."
    assert [daphne.pid] == [process.pid for process in light_stack.processes("daphne")]


async def test_a_full_queue_says_busy(light_stack: Stack, watching: CameraClient, script: Script):
    script.go.clear()
    questions = [await watching.send_question("What do you see?") for _ in range(90)]
    await watching.wait_for("error", error="busy")
    script.go.set()
    ends = [await watching.end_of(question) for question in questions]
    assert {end.get("error") for end in ends} == {None, "busy"}
    assert sum(end["type"] == "response" for end in ends) >= 60
