"""Redis loses its connections, or refuses writes: nothing is lost, nothing is given up.

Seen: one lost connection cost the next question its answer (`worker_lost`), since publishing a mere
hint raised; and after a minute of refused writes the supervisor gave the worker up for good.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis

from deploy.stand_in_model import Script
from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack

PICTURE = picture("red circle middle")
REFUSING_SECONDS = 12
KINDS = ("normal", "pubsub")


@pytest.fixture
def redis(light_stack: Stack) -> Iterator[Redis]:
    """The stack's Redis; it takes writes again afterwards."""
    with Redis.from_url(light_stack.redis_url()) as client:
        yield client
        client.config_set("min-replicas-to-write", 0)
        client.config_set("timeout", 0)


@pytest.fixture
async def watching(camera: CameraClient, script: Script) -> AsyncIterator[CameraClient]:
    """A camera user whose stream is connected and who has had an answer."""
    await camera.start_camera(PICTURE)
    await camera.wait_for("stream", state="connected", width=640)
    assert (await camera.ask("What do you see?"))["text"] == "A red star."
    yield camera


@pytest.mark.parametrize("kind", KINDS)
async def test_lost_connections_cost_no_answer(
    kind: str, watching: CameraClient, redis: Redis, script: Script
):
    for _ in range(3):
        assert redis.client_kill_filter(_type=kind) > 0
        answer = await watching.ask("What do you see?")
        assert answer.get("text") == "A red star.", answer


async def test_idle_connections_that_are_cut_cost_no_answer(
    watching: CameraClient, redis: Redis, script: Script
):
    """As a firewall or a managed Redis does with connections that nobody has used for a while."""
    redis.config_set("timeout", 1)
    for _ in range(2):
        await asyncio.sleep(3)
        answer = await watching.ask("What do you see?")
        assert answer.get("text") == "A red star.", answer


@pytest.mark.parametrize("kind", KINDS)
async def test_connections_lost_in_the_midst_of_an_answer(
    kind: str, watching: CameraClient, redis: Redis, script: Script
):
    script.tokens, script.token_seconds = [f"{n} " for n in range(60)], 0.05
    question = await watching.send_question("Count.")
    await watching.wait_for("token", id=question)
    for _ in range(4):
        redis.client_kill_filter(_type=kind)
        await asyncio.sleep(0.4)
    answer = await watching.end_of(question)
    assert answer.get("text") == "".join(script.tokens), answer
    told = [token["text"] for token in watching.tokens_of(question)]
    assert "".join(told) == "".join(script.tokens)


async def test_lost_connections_cost_no_request(light_stack: Stack, redis: Redis):
    for _ in range(3):
        assert redis.client_kill_filter(_type="normal") > 0
        await asyncio.to_thread(light_stack.token)


async def test_refused_writes(
    watching: CameraClient, light_stack: Stack, redis: Redis, script: Script
):
    script.tokens, script.token_seconds = [f"{n} " for n in range(60)], 0.05
    under_way = await watching.send_question("Count.")
    await watching.wait_for("token", id=under_way)
    workers = [process.pid for process in light_stack.processes("celery -A qwencam_site worker")]
    redis.config_set("min-replicas-to-write", 1)
    began = time.monotonic()
    health = await asyncio.to_thread(light_stack.wait_for_health, "down", patience=10)
    assert health["checks"]["redis"]["status"] == "down"
    assert health["checks"]["redis"]["detail"] == "Redis answers, but refuses writes."
    refused = await watching.ask("What do you see?")
    assert refused["error"] == "unavailable"
    await asyncio.sleep(REFUSING_SECONDS - (time.monotonic() - began))
    redis.config_set("min-replicas-to-write", 0)
    # What was being answered is answered whole, and nothing was started anew for it.
    whole = await watching.end_of(under_way)
    assert whole.get("text") == "".join(script.tokens), whole
    script.tokens = ["Back", "."]
    assert (await watching.ask("What do you see?")).get("text") == "Back."
    await asyncio.to_thread(light_stack.wait_for_health, "ok", patience=30)
    assert workers == [
        process.pid for process in light_stack.processes("celery -A qwencam_site worker")
    ]
    assert watching.close_code is None


async def test_a_frame_that_is_refused_is_taken_again(
    camera: CameraClient, redis: Redis, script: Script
):
    """The question was admitted; its frame comes when Redis has just begun to refuse writes."""
    track = await camera.start_camera(PICTURE)
    await camera.wait_for("stream", state="connected", width=640)
    track.paused = True
    await camera.wait_for("stream", state="stalled")
    question = await camera.send_question("What do you see?")
    await camera.wait_for("queued", id=question)
    redis.config_set("min-replicas-to-write", 1)
    track.paused = False
    await asyncio.sleep(3)
    ends = [message for message in camera.messages if message["type"] in {"response", "error"}]
    assert ends == []
    redis.config_set("min-replicas-to-write", 0)
    answer = await camera.end_of(question)
    assert answer.get("text") == "A red star.", answer
    assert answer["frame"]["age_ms"] < 3000  # Not the one that was refused at first.


async def test_live_mode_goes_on_after_refused_writes(
    camera: CameraClient, redis: Redis, script: Script
):
    await camera.start_camera(PICTURE)
    await camera.wait_for("stream", state="connected", width=640)
    await camera.send(type="live", prompt="What is there?", rate=2)
    await camera.wait_for("live")
    redis.config_set("min-replicas-to-write", 1)
    await camera.wait_for("error", error="unavailable")
    redis.config_set("min-replicas-to-write", 0)
    await camera.wait_for("live", since=len(camera.messages))
    assert camera.close_code is None
