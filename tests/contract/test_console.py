"""The console's socket over the running platform.

Guards against: figures of one process shown for all, a console that stays open after its user
has logged out or lost the right to look, rows sent again and again though nothing changed.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

import httpx
import numpy as np
import pytest
import websockets

from tests.camera_client import CameraClient
from tests.stack import PASSWORD, Stack


def log_in(stack: Stack, username: str, password: str) -> httpx.Client:
    """Return a client with the login cookie."""
    client = httpx.Client(base_url=stack.url, headers={"Origin": stack.url}, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(.+?)"', client.get("/login").text)
    assert token
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token[1]}
    assert client.post("/login", data=form).status_code == 302
    return client


@pytest.fixture
def operator(light_stack: Stack) -> Iterator[httpx.Client]:
    with closing(log_in(light_stack, "operator", light_stack.password("operator"))) as client:
        yield client


class Console:
    """An open console: the newest message of each kind."""

    def __init__(self, stack: Stack, client: httpx.Client) -> None:
        url = stack.url.replace("http", "ws") + "/ws/console"
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers = {"Cookie": cookies}
        self._connecting = websockets.connect(url, additional_headers=headers, origin=stack.url)
        self.newest: dict[str, Any] = {}
        self.rows: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._socket = await self._connecting.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connecting.__aexit__(*error)

    async def next(self) -> dict[str, Any]:
        message = json.loads(await asyncio.wait_for(self._socket.recv(), 15))
        self.newest[message["type"]] = message
        if message["type"] == "sessions":
            self.rows |= {row["id"]: row for row in message["rows"]}
        return message

    async def until(self, holds) -> None:
        async with asyncio.timeout(15):
            while not holds(self):
                await self.next()

    async def close_code(self) -> int:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await self.next()
        assert closed.value.rcvd
        return closed.value.rcvd.code


async def test_an_operator_sees_a_session_its_stream_and_its_answer(
    light_stack: Stack, operator: httpx.Client, script
):
    script.tokens = ["A ", "red ", "circle."]
    async with (
        Console(light_stack, operator) as console,
        CameraClient(light_stack.url, light_stack.token()) as camera,
    ):
        await console.until(lambda c: {"hello", "settings", "hour", "now"} <= c.newest.keys())
        me = console.newest["hello"]["me"]
        assert me["username"] == "operator"
        assert "change_settings" in me["permissions"]
        await camera.start_camera(np.full((480, 640, 3), 128, np.uint8))
        await camera.ask("What do you see?")
        key = camera.token["session_id"]
        await console.until(lambda c: (c.rows.get(key) or {}).get("stream"))
        await console.until(lambda c: c.rows[key]["answers"] == 1)
        await console.until(lambda c: c.rows[key]["stream"]["frames_in"] > 0)
        row = console.rows[key]
        assert (row["user"], row["questions"], row["stream"]["state"]) == ("demo", 1, "connected")
        await console.until(lambda c: c.newest["now"]["ttft"] is not None)
        await console.until(lambda c: set(c.newest["now"]["health"].values()) == {"ok"})
        await console.until(lambda c: c.newest["now"]["streams"] >= 1)
        await console.until(lambda c: all(row["up"] for row in c.newest["servers"]["rows"]))
        now = console.newest["now"]
        assert now["sessions"]["live"] >= 1
        assert now["answers_per_minute"] >= 1
        assert len(console.newest["servers"]["rows"]) == 1
        (worker,) = console.newest["workers"]["rows"]
        assert worker["pool"] > 0
        assert "What do you see?" not in json.dumps(console.newest)


async def test_what_did_not_change_is_not_sent_again(light_stack: Stack, operator: httpx.Client):
    async with Console(light_stack, operator) as console:
        await console.until(lambda c: "sessions" in c.newest and "workers" in c.newest)
        assert console.newest["sessions"]["full"]
        for _ in range(12):
            message = await console.next()
            assert message["type"] not in {"settings", "hour"}
            assert not message.get("full")


async def test_an_end_by_an_operator_reaches_the_user_with_its_note(
    light_stack: Stack, operator: httpx.Client
):
    headers = {"X-CSRFToken": operator.cookies["csrftoken"]}
    async with CameraClient(light_stack.url, light_stack.token()) as camera:
        path = f"/console/api/sessions/{camera.token['session_id']}/end"
        ended = operator.post(path, json={"note": "Back at noon."}, headers=headers)
        assert ended.status_code == 204
        message = await camera.wait_for("ended")
        assert message == {"type": "ended", "reason": "operator", "note": "Back at noon."}


async def test_a_changed_notice_is_told_to_consoles_and_in_force(
    light_stack: Stack, operator: httpx.Client
):
    headers = {"X-CSRFToken": operator.cookies["csrftoken"]}
    path = "/console/api/settings/notice"
    async with (
        Console(light_stack, operator) as console,
        CameraClient(light_stack.url, light_stack.token()) as camera,
    ):
        await console.until(lambda c: "settings" in c.newest)
        assert operator.post(path, json={"value": "Soon."}, headers=headers).status_code == 200
        assert (await camera.wait_for("notice"))["text"] == "Soon."
        by_name = lambda c: {row["name"]: row for row in c.newest["settings"]["rows"]}  # noqa: E731
        await console.until(lambda c: by_name(c)["notice"]["value"] == "Soon.")
        assert by_name(console)["notice"]["changed_by"] == "operator"
        assert operator.delete(path, headers=headers).json() == {"value": ""}
        assert (await camera.wait_for("notice", text=""))["text"] == ""


async def test_draining_refuses_new_sessions(light_stack: Stack, operator: httpx.Client):
    headers = {"X-CSRFToken": operator.cookies["csrftoken"]}
    path = "/console/api/settings/accept_sessions"
    assert operator.post(path, json={"value": False}, headers=headers).status_code == 200
    try:
        body = {"username": "demo", "password": PASSWORD}
        refused = httpx.post(f"{light_stack.url}/api/token", json=body, timeout=30)
        assert (refused.status_code, refused.json()["error"]) == (503, "draining")
    finally:
        operator.delete(path, headers=headers)


async def test_a_console_closes_when_its_user_logs_out(light_stack: Stack):
    with closing(log_in(light_stack, "operator", light_stack.password("operator"))) as client:
        async with Console(light_stack, client) as console:
            await console.until(lambda c: "now" in c.newest)
            headers = {"X-CSRFToken": client.cookies["csrftoken"]}
            form = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert client.post("/logout", data=form, headers=headers).status_code == 302
            assert await console.close_code() == 4401


async def test_a_camera_user_may_not_watch(light_stack: Stack):
    with closing(log_in(light_stack, "demo", PASSWORD)) as client:
        async with Console(light_stack, client) as console:
            assert await console.close_code() == 4403


async def test_nobody_may_watch_without_a_login(light_stack: Stack):
    with httpx.Client() as client:
        async with Console(light_stack, client) as console:
            assert await console.close_code() == 4401
