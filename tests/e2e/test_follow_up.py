"""A further question on the same frame, by the user's choice: vLLM finds what it had computed."""

import json
import re
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.camera_client import CameraClient, Message
from tests.e2e.browser import ask, log_in, open_page
from tests.scenes import picture, write_y4m
from tests.stack import Stack

ROUNDS = 8
PREFIX_HITS = "vllm:prefix_cache_hits_total"
ENCODER_HITS = "vllm:mm_cache_hits_total"


def at_vllm(stack: Stack, name: str) -> float:
    """Return a metric of the stack's vLLM."""
    facts = json.loads((stack.data_dir / "run" / "quickstart.json").read_text())
    page = httpx.get(f"{facts['vllm_base_url'].removesuffix('/v1')}/metrics", timeout=30).text
    values = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return sum(map(float, values))


@pytest.fixture
async def camera(stack: Stack) -> AsyncIterator[CameraClient]:
    async with CameraClient(stack.url, stack.token()) as client:
        await client.start_camera(picture("red circle middle"))
        assert (await client.ask("What do you see?"))["type"] == "response"
        yield client


async def ask_about(camera: CameraClient, question_id: str, **frame: object) -> Message:
    await camera.send(type="chat", id=question_id, content="What do you see?", **frame)
    end = await camera.end_of(question_id)
    assert end["type"] == "response", end
    return end


async def test_a_further_question_hits_vllms_caches(stack: Stack, camera: CameraClient):
    fresh, further = [], []
    at_vllm(stack, PREFIX_HITS)  # Slow the first time.
    fresh_hits = further_hits = 0.0
    encoder = at_vllm(stack, ENCODER_HITS)
    for number in range(ROUNDS):
        before = at_vllm(stack, PREFIX_HITS)
        fresh.append(await ask_about(camera, f"fresh-{number}", keep_frame=True))
        between = at_vllm(stack, PREFIX_HITS)
        further.append(await ask_about(camera, f"further-{number}", frame=f"fresh-{number}"))
        fresh_hits += between - before
        further_hits += at_vllm(stack, PREFIX_HITS) - between
    encoder_hits = at_vllm(stack, ENCODER_HITS) - encoder
    first = statistics.median(end["ttft"] for end in fresh) * 1000
    again = statistics.median(end["ttft"] for end in further) * 1000
    sys.stdout.write(
        f"time to first token, median of {ROUNDS}: fresh {first:.0f} ms, further {again:.0f} ms; "
        f"prefix tokens hit: {fresh_hits:.0f} and {further_hits:.0f}; "
        f"encoder hits: {encoder_hits:.0f}\n"
    )
    assert further_hits > fresh_hits
    assert encoder_hits >= ROUNDS - 1  # The last may be counted a moment later.
    assert {end["text"] for end in further} == {end["text"] for end in fresh}


def test_the_page_stays_on_one_picture_while_told_to(stack: Stack, tmp_path: Path):
    pictures = [picture("red circle middle"), picture("blue star left")]
    clip = write_y4m(tmp_path / "two.y4m", pictures, seconds=4, rate=5)
    with open_page(camera=clip) as page:
        log_in(page, stack.url)
        page.get_by_test_id("start-camera").click()
        expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)
        stay = page.get_by_test_id("stay")
        stay.click()
        expect(stay).to_have_attribute("aria-pressed", "true")
        answers = {ask(page, "What do you see?")}
        for _ in range(3):
            page.wait_for_timeout(2000)
            answers.add(ask(page, "What do you see?"))
        assert len(answers) == 1
        expect(page.get_by_test_id("answer-meta").last).to_contain_text("same picture")
        stay.click()
        ask(page, "What do you see?")
        expect(page.get_by_test_id("answer-meta").last).not_to_contain_text("same picture")
