"""Clients that go away while the server sends to them.

Seen: a consumer that sent to a client which had just left died without `disconnect()`. The log
filled with tracebacks, and what the socket owned lived on: its place in the gauge, its live mode,
its heartbeat, which spoke for a session that nobody was in.
"""

import asyncio
import json
import random
import struct
import time

import httpx
import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from apps.chat.events import session_group
from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient, Message
from tests.scenes import picture
from tests.stack import Stack

SESSIONS = 8
ROUNDS = 40
GONE_SECONDS = 30
WEIGHTS = (9, 9, 9, 1, 1, 2, 9, 9, 9)
"""How often each kind of odd message is sent: few questions, or their rate would be limited."""


def gauge(stack: Stack, name: str) -> float:
    """Return a gauge of the web process."""
    lines = httpx.get(f"{stack.url}/metrics", timeout=20).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def wait_for_gauge(stack: Stack, name: str, value: float) -> None:
    """Wait until a gauge has that value, ``GONE_SECONDS`` at most."""
    deadline = time.monotonic() + GONE_SECONDS
    while (now := await asyncio.to_thread(gauge, stack, name)) != value:
        assert time.monotonic() < deadline, f"{name} is {now}, not {value}"
        await asyncio.sleep(0.2)


def odd_messages(rng: random.Random) -> list[str]:
    """Return some messages that are each answered at once, many of them with an error."""
    kinds = [
        '{"type":"ping"}',
        '{"type":"resume","id":"nobody","after":0}',
        '{"type":"cancel","id":"nobody"}',
        '{"type":"chat","content":"What do you see?"}',
        '{"type":"live","prompt":"What is there?","rate":2}',
        '{"type":"offer","sdp":"v=0"}',
        "{",
        "[]",
        json.dumps({"type": "chat", "content": "x" * 3000}),
    ]
    return rng.choices(kinds, weights=WEIGHTS, k=rng.randint(5, 60))


def as_frame(text: str) -> bytes:
    """Return a text message as a client sends it (RFC 6455 section 5.2), its mask all zeros."""
    body = text.encode()
    size = len(body)
    if size < 126:
        return struct.pack("!BB", 0x81, 0x80 | size) + bytes(4) + body
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 0x80 | 126, size) + bytes(4) + body
    return struct.pack("!BBQ", 0x81, 0x80 | 127, size) + bytes(4) + body


async def vanish(stack: Stack, token: Message, rng: random.Random) -> None:
    """Open a socket, send odd messages, and leave in one of three ways while they are answered.

    - The connection is reset without a close frame.
    - A close frame is sent first, as a closed tab does.
    - A message too large has the server close, and further ones are there already: its side of
      the socket waits for a close frame that never comes, and the consumer still has messages.
    """
    address = f"ws{stack.url.removeprefix('http')}/ws/{token['session_id']}"
    protocols = ["qwencam.v1", f"bearer.{token['access']}"]
    try:
        socket = await connect(address, subprotocols=protocols)  # type: ignore[arg-type]
    except InvalidStatus:
        return
    how = rng.choice(["reset", "close", "deaf"])
    messages = odd_messages(rng)
    if how == "deaf":
        socket.transport.pause_reading()  # type: ignore[attr-defined]
        messages.insert(len(messages) // 2, "x" * 70_000)
    socket.transport.write(b"".join(map(as_frame, messages)))
    await asyncio.sleep(rng.random() * 0.03)
    if how == "close":
        await socket.close()
    elif how == "deaf":
        await asyncio.sleep(0.2)
    socket.transport.abort()


@pytest.fixture
def web_log(light_stack: Stack) -> "Log":
    """The web process's log from here on."""
    return Log(light_stack)


class Log:
    """What a stack's web process logs after this was made."""

    def __init__(self, stack: Stack) -> None:
        self._file = stack.data_dir / "logs" / "web.log"
        self._start = self._file.stat().st_size

    def read(self) -> str:
        """Return it."""
        with self._file.open("rb") as file:
            file.seek(self._start)
            return file.read().decode()


async def test_clients_that_vanish_leave_nothing(light_stack: Stack, script: Script, web_log: Log):
    await wait_for_gauge(light_stack, "qwencam_sockets", 0)
    rng = random.Random(7)
    tokens = [await asyncio.to_thread(light_stack.token) for _ in range(SESSIONS)]
    for _ in range(ROUNDS):
        await asyncio.gather(*(vanish(light_stack, token, rng) for token in tokens))
    await wait_for_gauge(light_stack, "qwencam_sockets", 0)
    log = web_log.read()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]
    # Whoever comes now finds everything at work.
    async with CameraClient(light_stack.url, tokens[0]) as camera:
        await camera.start_camera(picture("red circle middle"))
        deadline = time.monotonic() + GONE_SECONDS
        answer = await camera.ask("What do you see?")
        # Questions of those who left fill the queue until they have waited long enough for a frame.
        while answer.get("error") == "busy" and time.monotonic() < deadline:
            await asyncio.sleep(1)
            answer = await camera.ask("What do you see?")
        assert answer.get("text") == "A red star.", answer
        assert await asyncio.to_thread(gauge, light_stack, "qwencam_sockets") == 1
    await wait_for_gauge(light_stack, "qwencam_sockets", 0)


async def test_live_mode_ends_with_a_client_that_fills_its_socket(
    light_stack: Stack, stand_in: StandInModel, script: Script, web_log: Log
):
    """One message too many closes the socket; live mode used to go on without it, for ever."""
    token = await asyncio.to_thread(light_stack.token)
    client = CameraClient(light_stack.url, token)
    await client.open_socket()
    track = await client.start_camera(picture("red circle middle"))
    await client.wait_for("stream", state="connected", width=640)
    await client.send(type="live", prompt="What is there?", rate=2)
    await client.wait_for("live")
    transport = client.camera.socket.transport  # type: ignore[union-attr]
    transport.pause_reading()  # type: ignore[attr-defined]
    transport.write(as_frame('{"type":"ping"}') * 1200)
    await wait_for_gauge(light_stack, "qwencam_sockets", 0)
    # The stream stays for a moment, should the client come back; live mode must not.
    await asyncio.sleep(1)
    asked = len(stand_in.requests)
    for scene in ("blue star left", "green circle right", "red circle middle"):
        track.picture = picture(scene)
        await asyncio.sleep(1)
    assert len(stand_in.requests) == asked
    transport.abort()
    await client.drop_camera()
    await wait_for_gauge(light_stack, "qwencam_streams_connected", 0)
    assert "Traceback" not in web_log.read()


async def test_a_handler_that_fails_has_the_client_come_back(
    camera: CameraClient, light_stack: Stack, script: Script, web_log: Log
):
    """An event of another version, say, raises in its handler: all that the socket owned ends."""
    assert await asyncio.to_thread(gauge, light_stack, "qwencam_sockets") == 1
    layer = RedisPubSubChannelLayer(hosts=[light_stack.redis_url()], prefix="qwencam")
    await layer.group_send(session_group(camera.token["session_id"]), {"type": "answer.batch"})
    assert await camera.wait_closed() == 1012
    await layer.flush()
    await wait_for_gauge(light_stack, "qwencam_sockets", 0)
    assert "A socket failed: KeyError at consumers.py:" in web_log.read()
    assert "Traceback" not in web_log.read()
    await camera.open_socket()
    await camera.start_camera(picture("red circle middle"))
    assert (await camera.ask("What do you see?"))["text"] == "A red star."
