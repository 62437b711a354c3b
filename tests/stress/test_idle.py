"""Those who fall silent: a socket without a heartbeat closes, an idle session ends."""

import asyncio
import sqlite3
import time
from contextlib import closing

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.camera_client import CameraClient
from tests.stack import Stack

# SOCKET_SILENCE_SECONDS is 12, looked at every 2.
SILENCE_SECONDS = 15
# The scheduler looks for idle sessions every 30 s.
EXPIRY_SECONDS = 40


async def test_the_silent_and_the_idle_end(light_stack: Stack, camera: CameraClient):
    """Both beside each other, as each takes its time."""
    async with asyncio.TaskGroup() as both:
        both.create_task(a_socket_that_says_nothing_is_closed(light_stack))
        both.create_task(an_idle_session_ends_though_its_socket_is_open(light_stack, camera))


async def a_socket_that_says_nothing_is_closed(light_stack: Stack) -> None:
    token = light_stack.token()
    url = f"ws{light_stack.url.removeprefix('http')}/ws/{token['session_id']}"
    began = time.monotonic()
    async with connect(url, subprotocols=["qwencam.v1", f"bearer.{token['access']}"]) as socket:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                while True:
                    await socket.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 1001
    assert time.monotonic() - began > 10  # Not at once either.


async def an_idle_session_ends_though_its_socket_is_open(
    light_stack: Stack, camera: CameraClient
) -> None:
    # An hour of nothing, told to the database rather than waited for.
    session_id = camera.token["session_id"].replace("-", "")
    with closing(sqlite3.connect(light_stack.data_dir / "db.sqlite3", timeout=20)) as database:
        moved = database.execute(
            "UPDATE camera_sessions_camerasession"
            " SET last_active_at = datetime(last_active_at, '-2 hours') WHERE id = ?",
            [session_id],
        )
        database.commit()
        assert moved.rowcount == 1
    assert await camera.wait_closed(patience=EXPIRY_SECONDS) == 4408
    assert camera.messages[-1] == {"type": "ended", "reason": "idle"}
    async with httpx.AsyncClient(base_url=light_stack.url) as http:
        headers = {"Authorization": f"Bearer {camera.token['access']}"}
        reply = await http.get("/api/session", headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (401, "session_ended")
