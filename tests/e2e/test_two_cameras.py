"""A browser with two cameras, through all real parts but the model: one is on at a time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from deploy.stand_in_model import Script
from tests.e2e.browser import ask, log_in, open_page
from tests.stack import Stack

KEEP_TRACKS = """(() => {
    const media = navigator.mediaDevices;
    const open = media.getUserMedia.bind(media);
    window.tracks = [];
    window.most = 0;
    media.getUserMedia = async (constraints) => {
        const stream = await open(constraints);
        window.tracks.push(...stream.getTracks());
        setTimeout(() => { window.most = Math.max(window.most, window.live().length); });
        return stream;
    };
    window.live = () => window.tracks.filter((track) => track.readyState === "live");
})();"""


@pytest.fixture
def page(light_stack: Stack, script: Script) -> Iterator[Page]:
    """The camera page with its stream on, in a browser with two cameras."""
    with open_page(cameras=2) as page:
        page.add_init_script(KEEP_TRACKS)
        log_in(page, light_stack.url)
        page.get_by_test_id("start-camera").click()
        status = page.get_by_test_id("status")
        expect(status).to_have_attribute("data-state", "streaming", timeout=30_000)
        # Pictures have come: where a track is replaced before its first frame, Chromium's next one
        # may be shown but never sent.
        expect(page.locator("#status-detail")).to_contain_text(re.compile(r"\d+ . \d+"))
        expect(page.get_by_test_id("switch-camera")).to_be_visible()
        yield page


def test_switching_twice_quickly_leaves_one_camera_on(page: Page):
    before = page.evaluate("live()[0].getSettings().deviceId")
    page.evaluate("for (const time of [1, 2]) document.getElementById('switch-camera').click()")
    page.wait_for_function("() => tracks.length === 2 && live().length === 1", timeout=30_000)
    page.wait_for_timeout(1000)
    assert page.evaluate("[tracks.length, live().length, most]") == [2, 1, 1]
    assert page.evaluate("live()[0].getSettings().deviceId") != before
    assert ask(page, "What do you see?") == "A red star."
    page.get_by_test_id("stop-camera").click()
    assert page.evaluate("live().length") == 0


def test_a_stop_right_after_a_switch_leaves_no_camera_on(page: Page):
    page.evaluate("""() => {
        document.getElementById("switch-camera").click();
        document.getElementById("stop-camera").click();
    }""")
    expect(page.get_by_test_id("status")).to_have_attribute("data-state", "idle")
    page.wait_for_timeout(2000)
    assert page.evaluate("[live().length, most]") == [0, 1]
    page.get_by_test_id("start-camera").click()
    assert ask(page, "What do you see?") == "A red star."
    assert page.evaluate("[live().length, most]") == [1, 1]
