"""A browser tab closed without goodbye: its stream, threads and frames go, memory returns."""

import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import expect
from redis import Redis

from deploy.stand_in_model import Script
from tests.e2e.browser import ask, log_in, open_page
from tests.scenes import picture, write_y4m
from tests.stack import Stack

GONE_SECONDS = 15


def connected(stack: Stack) -> float:
    """Return how many streams the web process holds."""
    text = httpx.get(f"{stack.url}/metrics").text
    (line,) = [line for line in text.splitlines() if line.startswith("qwencam_streams_connected ")]
    return float(line.split()[1])


def session_keys(stack: Stack) -> set[bytes]:
    """Return the names of the frames that Redis holds."""
    with Redis.from_url(stack.redis_url()) as redis:
        return set(redis.keys("frame:*"))  # type: ignore[arg-type]


def wait_until_alone(stack: Stack) -> None:
    """Wait until no stream is left, ``GONE_SECONDS`` at most."""
    deadline = time.monotonic() + GONE_SECONDS
    while connected(stack) or session_keys(stack):
        assert time.monotonic() < deadline, (connected(stack), session_keys(stack))
        time.sleep(0.2)


def fewest_threads(process: psutil.Process) -> int:
    """Return the smallest number of threads of some seconds: those of a stream end after it."""
    seen = []
    for _ in range(20):
        seen.append(process.num_threads())
        time.sleep(0.1)
    return min(seen)


def test_a_killed_browser_leaves_nothing(light_stack: Stack, script: Script, tmp_path: Path):
    clip = write_y4m(tmp_path / "clip.y4m", [picture("red circle middle")], seconds=4)
    (daphne,) = light_stack.processes("daphne")
    wait_until_alone(light_stack)
    threads: list[int] = []
    memory: list[int] = []
    for _ in range(4):
        with open_page(camera=clip) as page:
            log_in(page, light_stack.url)
            page.get_by_test_id("start-camera").click()
            expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)
            ask(page, "What do you see?")
            assert connected(light_stack) == 1
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    command = " ".join(process.cmdline())
                    if "chromium" in process.name() and "--type=" not in command:
                        browser = process
            for process in [*browser.children(recursive=True), browser]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            wait_until_alone(light_stack)
        threads.append(fewest_threads(daphne))
        memory.append(daphne.memory_info().rss)
    # The first visit warms up thread pools and code; after it nothing may grow.
    assert threads[-1] <= threads[0] + 2, threads
    assert memory[-1] <= memory[1] + 8 * 2**20, memory
