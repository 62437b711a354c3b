"""The main job in real Chromium: log in, start the camera, ask, read what it sees now."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import ask, fresh_profile, log_in, running_browser
from tests.scenes import picture, write_y4m
from tests.stack import Stack

SCENES = {
    "red circle": ["red circle middle"],
    "blue star": ["blue star left"],
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a red circle, then eight of a blue star, over and over."""
    pictures = [picture(*shapes) for shapes in SCENES.values()]
    return write_y4m(tmp_path_factory.mktemp("clips") / "two.y4m", pictures, seconds=8, rate=5)


@pytest.fixture(scope="module")
def chromium(clip: Path) -> Iterator[Browser]:
    """A browser whose camera is that clip."""
    with running_browser(camera=clip) as browser:
        yield browser


KEEP_LIVE_NOTES = """() => {
    window.liveNotes = [];
    const meta = document.querySelector("[data-testid=live-meta]");
    const keep = () => window.liveNotes.push(meta.textContent);
    new MutationObserver(keep).observe(meta, { childList: true, characterData: true });
}"""
"""Keeps what live mode's line says, be it there ever so shortly."""


def watching(page: Page, stack: Stack) -> Page:
    """Log in and start the camera."""
    log_in(page, stack.url)
    page.get_by_test_id("start-camera").click()
    expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)
    return page


def seen_in(answer: str) -> str | None:
    """Return which of the scenes an answer names, with colour and shape."""
    named = [name for name in SCENES if all(word in answer.lower() for word in name.split())]
    return named[0] if len(named) == 1 else None


def test_the_answer_names_what_the_camera_shows_and_changes_with_it(
    stack: Stack, chromium: Browser
):
    answers: list[str] = []
    with fresh_profile(chromium) as page:
        watching(page, stack)
        deadline = time.monotonic() + 60
        while {seen_in(answer) for answer in answers} < set(SCENES):
            assert time.monotonic() < deadline, answers
            answers.append(ask(page, "What do you see?"))
            time.sleep(1)
        # The two scenes are all there is: every answer names one of them.
        assert all(seen_in(answer) for answer in answers), answers


def test_each_answer_shows_its_time_to_first_token_and_the_frames_age(
    stack: Stack, chromium: Browser
):
    with fresh_profile(chromium) as page:
        watching(page, stack)
        ask(page, "How many shapes are there?")
        figures = page.get_by_test_id("answer-meta").first
        expect(figures).to_contain_text("first token")
        expect(figures).to_contain_text("old")


def test_a_question_asked_before_the_first_frame_waits_for_it(stack: Stack, chromium: Browser):
    with fresh_profile(chromium) as page:
        log_in(page, stack.url)
        page.get_by_test_id("start-camera").click()
        assert seen_in(ask(page, "What do you see?"))


def test_live_mode_keeps_telling(stack: Stack, chromium: Browser):
    with fresh_profile(chromium) as page:
        watching(page, stack)
        page.get_by_test_id("live-toggle").click()
        text = page.get_by_test_id("live-text")
        expect(text).to_contain_text("red circle", timeout=30_000)
        expect(text).to_contain_text("blue star", timeout=30_000)
        page.get_by_test_id("live-toggle").click()


def test_live_mode_says_so_when_nothing_changes(stack: Stack, chromium: Browser):
    with fresh_profile(chromium) as page:
        watching(page, stack)
        page.evaluate(KEEP_LIVE_NOTES)
        page.get_by_test_id("live-toggle").click()
        meta = page.get_by_test_id("live-meta")
        expect(meta).to_contain_text("No change", timeout=40_000)
        notes: list[str] = page.evaluate("window.liveNotes")
        # However soon it is told that nothing changes, an answer of the model came before.
        first = next(note for note in notes if note.startswith("No change"))
        assert any("model" in note for note in notes[: notes.index(first)]), notes
        assert seen_in(page.get_by_test_id("live-text").inner_text())
        # A person who cannot see the page is not told of each look.
        assert page.locator("[aria-live=polite] [data-testid=live-meta]").count() == 0
        # Emptied, it shows again what is asked.
        prompt = page.get_by_test_id("live-prompt")
        asked = prompt.input_value()
        prompt.fill("  ")
        prompt.press("Enter")
        expect(prompt).to_have_value(asked)
        prompt.fill("What colour is it?")
        expect(page.get_by_test_id("live-text")).to_have_text(
            re.compile("^(red|blue)", re.IGNORECASE), timeout=15_000
        )
        page.get_by_test_id("live-toggle").click()
        expect(page.get_by_test_id("live-text")).to_be_hidden()


def test_the_page_comes_back_after_its_socket_is_lost(stack: Stack, chromium: Browser):
    with fresh_profile(chromium) as page:
        watching(page, stack)
        assert seen_in(ask(page, "What do you see?"))
        stack.kill("daphne")  # The supervisor starts it again: socket and stream are both gone.
        page.wait_for_timeout(1000)
        stack.wait_for_health("ok", patience=60)
        assert seen_in(ask(page, "What do you see?", patience=60))


def test_a_session_that_is_ended_says_so(stack: Stack, chromium: Browser):
    with fresh_profile(chromium) as page:
        watching(page, stack)
        page.get_by_label("Menu").click()
        page.get_by_test_id("end-session").click()
        expect(page.get_by_test_id("status")).to_contain_text("ended", ignore_case=True)


def test_without_a_camera_the_drawn_scene_is_offered_and_answered(stack: Stack, chromium: Browser):
    with fresh_profile(chromium, granted=False) as page:
        log_in(page, stack.url)
        page.get_by_test_id("demo-scene").click()
        expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)
        answer = ask(page, "How many shapes are there?")
        assert any(word in answer for word in ("One", "Two", "Three")), answer


@pytest.mark.parametrize("size", [(390, 844), (1440, 900)])
def test_nothing_overflows_and_nothing_comes_from_elsewhere(
    stack: Stack, chromium: Browser, size: tuple[int, int]
):
    width, height = size
    with fresh_profile(chromium, viewport={"width": width, "height": height}) as page:
        foreign: list[str] = []
        problems: list[str] = []
        page.on(
            "request",
            lambda request: (
                foreign.append(request.url)
                if not request.url.startswith((stack.url, "blob:", "data:"))
                else None
            ),
        )
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        watching(page, stack)
        ask(page, "What do you see?")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        send = page.get_by_test_id("send").bounding_box()
        assert send is not None
        assert send["y"] + send["height"] <= height
        assert page.locator("input[type=file]").count() == 0
        assert foreign == []
        assert problems == []
