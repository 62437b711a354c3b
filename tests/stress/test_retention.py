"""Nothing of a conversation stays: not on disk, not in the database, not in a log, not in Redis.

A whole conversation (questions, a follow-up, live mode) runs while strace reports every file that
any of the platform's processes opens for writing, and every byte written to one. Then:

- only logs, the database and the scheduler's own times were written, and nothing that anybody said
  or that a camera saw is in what was written, in any file of the platform's folder, in the
  database, or in `/metrics`;
- no process connected to anybody but itself and its neighbours on this machine;
- while the conversation runs, all of it in Redis has a time to live, frames seconds only;
- when the session has ended, nothing of it is in Redis.
"""

import asyncio
import base64
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from redis.asyncio import Redis

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.faces import face_picture
from tests.stack import Stack
from tests.written_files import WrittenFiles

FRAME_TTL_SECONDS = 15
PICTURE = face_picture(640, 480, size=160, left=0.3, top=0.1)
ASKED = ("Where is the heliotrope umbrella?", "Und die kornblumenblaue Schärpe?")
STANDING = "Describe the cerulean zeppelin."
ANSWER = ["Behind", " the", " vermilion", " harpsichord", ",", " größtenteils", "."]
SPOKEN = ("heliotrope", "kornblumenblaue", "Schärpe", "cerulean", "zeppelin", "vermilion",
          "harpsichord", "größtenteils")  # fmt: skip
CONTENT_KEYS = (b"frame", b"question", b"answer", b"conversation")
JPEG_BEGINS = (b"\xff\xd8\xff", b"JFIF", b"data:image", b"/9j/4AAQ")


@pytest.fixture
def stack(stand_in: StandInModel, tmp_path: Path) -> Iterator[Stack]:
    """A platform that says as much as it can in its logs."""
    stack = Stack(
        tmp_path / "data",
        VLLM_BASE_URL=stand_in.base_url,
        FRAME_TTL_SECONDS=str(FRAME_TTL_SECONDS),
        LIVE_CHANGE_THRESHOLD="0",  # live mode has every picture answered
        LOG_LEVEL="DEBUG",
        ENABLE_FACE_BLUR="true",
        ENABLE_NSFW_FILTER="true",
        CI="",  # onnxruntime holds back its reports where this is set
    )
    stack.start(patience=300)
    yield stack
    stack.stop()


def forms(word: str) -> set[bytes]:
    """Return the bytes a word may be kept as: plain, JSON, UTF-16, base64 in each alignment."""
    plain = word.encode()
    kept = {plain, json.dumps(word)[1:-1].encode(), word.encode("utf-16-le")}
    for shift in range(3):
        # Whole groups of the word's own: the first and the last depend on what stands beside it.
        coded = base64.b64encode(b"x" * shift + plain)
        kept.add(coded[4 : len(coded) - 4])
    return kept


def traces(pictures: list[bytes]) -> set[bytes]:
    """Return bytes that none but the conversation's text and pictures hold."""
    found = {form for word in SPOKEN for form in forms(word)} | set(JPEG_BEGINS)
    for picture in pictures:
        middle = picture[len(picture) // 2 :][:24]
        found |= {middle, base64.b64encode(picture)[len(picture) // 2 :][:32]}
    return found


def leaks(data: bytes, wanted: set[bytes]) -> list[bytes]:
    """Return which of these are in `data`."""
    return [one for one in wanted if one in data]


def pictures_of(requests: list[dict[str, Any]]) -> list[bytes]:
    """Return the JPEGs that the model server has been sent."""
    return [
        base64.b64decode(part["image_url"]["url"].partition(",")[2])
        for request in requests
        for message in request["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


async def contents(redis: Redis) -> dict[bytes, tuple[bytes, int]]:
    """Return all of Redis: each key's name and value as bytes, and its time to live, s."""
    found = {}
    async for key in redis.scan_iter():
        ttl = await redis.ttl(key)
        kind = await redis.type(key)
        read = {
            b"string": lambda key: redis.get(key),
            b"hash": lambda key: redis.hgetall(key),
            b"list": lambda key: redis.lrange(key, 0, -1),
            b"set": lambda key: redis.smembers(key),
            b"zset": lambda key: redis.zrange(key, 0, -1),
        }
        if kind not in read:  # It has expired since the scan.
            continue
        found[key] = (key + b" " + _flat(await read[kind](key)), ttl)
    return found


def _flat(value: Any) -> bytes:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | set):
        return b" ".join(_flat(item) for item in value)
    return value if isinstance(value, bytes) else str(value).encode()


def database_text(file: Path) -> bytes:
    """Return every row of the database."""
    with closing(sqlite3.connect(file)) as database:
        return "\n".join(database.iterdump()).encode()


async def converse(camera: CameraClient) -> None:
    """Ask, ask on about the same picture, and have live mode answer a few times."""
    await camera.start_camera(PICTURE)
    await camera.send(type="chat", id="first", content=ASKED[0], keep_frame=True)
    await answered(camera, "first")
    await camera.send(type="chat", id="second", content=ASKED[1], frame="first")
    await answered(camera, "second")
    await camera.send(type="live", prompt=STANDING, rate=5)
    await camera.wait_for_count(3, "live")


async def answered(camera: CameraClient, question_id: str) -> None:
    """Wait for a question's answer."""
    response = await camera.end_of(question_id)
    assert response.get("text") == "".join(ANSWER), response


async def test_nothing_of_a_conversation_stays(
    stack: Stack, script: Script, stand_in: StandInModel, tmp_path: Path
):
    script.tokens = ANSWER
    watched = WrittenFiles(tmp_path / "strace.txt")
    family = [process.pid for process in stack.processes("")]
    assert {"daphne", "celery", "redis"} <= {
        word for word in ("daphne", "celery", "redis") if stack.processes(word)
    }
    async with Redis.from_url(stack.redis_url()) as redis:
        await asyncio.to_thread(watched.start, family)
        async with CameraClient(stack.url, stack.token()) as camera:
            await converse(camera)
            pictures = pictures_of(stand_in.requests)
            wanted = traces(pictures)
            during = await contents(redis)
            await camera.send(type="live_stop")
            await asyncio.sleep(1)
            await end_session(stack, camera)
        await asyncio.to_thread(watched.stop)

        assert len(pictures) >= 5
        assert_all_expires(during, wanted)
        after = await contents(redis)
        assert [key for key, (value, _) in after.items() if leaks(value, wanted)] == []
        session = str(camera.token["session_id"]).encode()
        assert [key for key in after if session in key and key.startswith(CONTENT_KEYS)] == []
        assert (await redis.config_get("save"))["save"] == ""
        assert (await redis.config_get("appendonly"))["appendonly"] == "no"

    assert_only_logs_and_database(stack, watched)
    assert {address for address in watched.reached if not loopback(address)} == set()
    for path, data in watched.written.items():
        assert leaks(data, wanted) == [], path
    for file in stack.data_dir.rglob("*"):
        # Static files are the packages' own, collected before the platform starts.
        if file.is_file() and not file.is_relative_to(stack.data_dir / "static"):
            assert leaks(file.read_bytes(), wanted) == [], file
    assert leaks(database_text(stack.data_dir / "db.sqlite3"), wanted) == []
    assert leaks(stack.output.read_bytes(), wanted) == []
    assert leaks(httpx.get(f"{stack.url}/metrics").content, wanted) == []


def loopback(address: str) -> bool:
    """Say whether an IP address is this machine's own."""
    return ip_address(address).is_loopback


async def end_session(stack: Stack, camera: CameraClient) -> None:
    """End the session as its user does."""
    async with httpx.AsyncClient(base_url=stack.url) as http:
        headers = {"Authorization": f"Bearer {camera.token['access']}"}
        assert (await http.delete("/api/session", headers=headers)).status_code == 204
    await camera.wait_closed()


def assert_all_expires(during: dict[bytes, tuple[bytes, int]], wanted: set[bytes]) -> None:
    """What Redis holds of a running conversation has a time to live; frames a short one."""
    content = {key: ttl for key, (value, ttl) in during.items() if leaks(value, wanted)}
    assert content, "The conversation was nowhere: this test would see nothing."
    assert {key: ttl for key, ttl in content.items() if ttl < 0} == {}
    frames = {key: ttl for key, ttl in content.items() if key.startswith(b"frame:")}
    assert frames, "No frame was kept: this test would see nothing."
    assert all(ttl <= FRAME_TTL_SECONDS for ttl in frames.values())


def assert_only_logs_and_database(stack: Stack, watched: WrittenFiles) -> None:
    """Nothing but logs, the database's own files and compiled Python was opened or written.

    And, every three minutes, when the scheduler last ran what.
    """
    data = str(stack.data_dir)
    allowed = (f"{data}/logs/", f"{data}/db.sqlite3", f"{data}/run/celerybeat-schedule")
    strange = {
        path
        for path in watched.opened | set(watched.written)
        if not path.startswith(allowed) and "/__pycache__/" not in path
    }
    assert strange == set()
    assert watched.written, "Nothing at all was written: this test would see nothing."


def test_the_watch_sees_what_is_written(tmp_path: Path):
    # A guard of the guard: a process that keeps a word is caught.
    program = "import sys\nfor line in sys.stdin: open(sys.argv[1], 'ab', 0).write(b'heliotrope')"
    target = tmp_path / "kept.txt"
    with subprocess.Popen([sys.executable, "-c", program, str(target)], stdin=-1) as process:
        watched = WrittenFiles(tmp_path / "strace.txt")
        watched.start([psutil.Process(process.pid).pid])
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        process.wait(timeout=20)
        watched.stop()
    assert watched.opened == {str(target)}
    assert watched.written == {str(target): b"heliotrope"}
