"""Many askers on one platform: turns, a full queue, and who leaves without an answer."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import numpy as np
import pytest

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.stack import Stack

PICTURE = np.full((240, 320, 3), 200, dtype=np.uint8)
AT_ONCE = 16
"""Answers of one user at once; the quickstart's worker gives twice as many."""
DEPTH = 60
ANSWER_SECONDS = 3.0


@pytest.fixture(scope="module")
def open_stack(stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A platform without logins, so that every session is an asker of its own."""
    stack = Stack(
        tmp_path_factory.mktemp("open") / "data",
        VLLM_BASE_URL=stand_in.base_url,
        REQUIRE_AUTH="false",
        MAX_SESSIONS_PER_ADDRESS="100",
        MAX_QUESTIONS_PER_MINUTE="1000",
        TOKEN_REQUESTS_PER_MINUTE="1000",
        MAX_QUEUE_DEPTH=str(DEPTH),
        ASKER_GRACE_SECONDS="1",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture
async def askers(open_stack: Stack, slow: Script) -> AsyncIterator[list[CameraClient]]:
    """Ten askers with a camera; the first is the one who floods."""
    async with AsyncExitStack() as opened:
        clients = []
        for _ in range(10):
            token = httpx.post(f"{open_stack.url}/api/token", json={}, timeout=10).json()
            client = await opened.enter_async_context(CameraClient(open_stack.url, token))
            await client.start_camera(PICTURE)
            assert (await client.ask("Warm up."))["type"] == "response"
            clients.append(client)
        yield clients


@pytest.fixture
def slow(stand_in: StandInModel) -> Script:
    """Every answer takes the same time."""
    script = Script()
    stand_in.script = script
    stand_in.requests.clear()
    return script


async def flood_with(flooder: CameraClient, stand_in: StandInModel, count: int) -> list[str]:
    """Ask so much at once that every place of one user is taken; return the questions.

    No answer begins until the script says so, however long the asking takes.
    """
    stand_in.script.first_token_seconds = ANSWER_SECONDS
    stand_in.script.go.clear()
    stand_in.requests.clear()
    flood = [await flooder.send_question("Flood.") for _ in range(count)]
    async with asyncio.timeout(60):
        while asked(stand_in).count("Flood.") < AT_ONCE:
            await asyncio.sleep(0.02)
    return flood


def asked(stand_in: StandInModel) -> list[str]:
    """Return the questions in the order in which they reached the model."""
    return [request["messages"][-1]["content"][1]["text"] for request in stand_in.requests]


async def test_a_flood_keeps_nobody_waiting(
    askers: list[CameraClient], slow: Script, stand_in: StandInModel
):
    """What that means in seconds, the benchmark shows: `scripts/benchmark.py --fairness`."""
    flooder, *others = askers
    flood = await flood_with(flooder, stand_in, 50)
    questions = [(other, await other.send_question("Mine.")) for other in others]
    async with asyncio.timeout(60):
        while asked(stand_in).count("Mine.") < len(others):
            await asyncio.sleep(0.02)
    assert asked(stand_in) == ["Flood."] * AT_ONCE + ["Mine."] * len(others)
    slow.first_token_seconds = 0
    slow.go.set()
    for client, question in [*questions, *((flooder, question) for question in flood)]:
        assert (await client.end_of(question))["type"] == "response"


async def test_the_place_told_is_the_fair_one(
    askers: list[CameraClient], slow: Script, stand_in: StandInModel
):
    flooder, other, *_ = askers
    flood = await flood_with(flooder, stand_in, 30)
    question = await other.send_question("Mine.")
    queued = await other.wait_for("queued", id=question)
    assert queued["position"] == 2
    last = await flooder.wait_for("queued", id=flood[-1])
    assert 30 - AT_ONCE - 5 <= last["position"] <= 30
    slow.first_token_seconds = 0
    slow.go.set()
    for question in flood:
        assert (await flooder.end_of(question, patience=60))["type"] == "response"


async def test_a_full_queue_says_busy_at_once_and_for_how_long(
    askers: list[CameraClient], slow: Script, stand_in: StandInModel
):
    flooder, other, *_ = askers
    flood = await flood_with(flooder, stand_in, DEPTH)
    await flooder.wait_for_count(DEPTH, "queued")
    question = await other.send_question("Mine.")
    error = await other.wait_for("error", id=question)
    assert error["error"] == "busy"
    assert re.search(r"60 questions; try again in (about \d+|a few) seconds\.", error["detail"])
    # Live mode has what the questions leave, which is nothing.
    since = len(other.messages)
    await other.send(type="live", prompt="What do you see?")
    assert (await other.wait_for("error", since=since))["error"] == "busy"
    await other.send(type="live_stop")
    slow.first_token_seconds = 0
    slow.go.set()
    for question in flood:
        assert (await flooder.end_of(question, patience=60))["type"] == "response"
    error = await flooder.ask("Now?")
    assert error["type"] == "response"


async def test_who_leaves_is_not_answered_and_who_comes_back_is(
    askers: list[CameraClient], slow: Script, stand_in: StandInModel
):
    flooder, leaver, returner, second, *_ = askers
    flood = await flood_with(flooder, stand_in, AT_ONCE)
    more = await flood_with(second, stand_in, AT_ONCE)
    left = await leaver.send_question("Left.")
    back = await returner.send_question("Back.")
    for client, question in ((leaver, left), (returner, back)):
        await client.wait_for("queued", id=question)
    await asyncio.sleep(0.3)  # The frames are there, the questions wait for their turns.
    await leaver.close_socket()
    await returner.close_socket()
    await returner.open_socket()
    await returner.send(type="resume", id=back, after=0)
    await asyncio.sleep(1.5)  # Longer than the grace.
    slow.go.set()
    assert (await returner.end_of(back))["type"] == "response"
    for client, questions in ((flooder, flood), (second, more)):
        for question in questions:
            assert (await client.end_of(question))["type"] == "response"
    assert (await flooder.ask("Anything left?"))["type"] == "response"
    assert "Left." not in asked(stand_in)
    await leaver.open_socket()
    await leaver.send(type="resume", id=left, after=0)
    assert (await leaver.end_of(left))["error"] == "asker_left"
