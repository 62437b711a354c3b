"""Signed out means out, in real Chromium and through all real parts but the model.

What it guards:

- the Back button brings back neither the conversation nor the camera page, but the login form;
- every tab of the browser stops its camera and shows nothing of what was said;
- Start leads to the login there, and to a page loaded anew once somebody else has signed in.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.stand_in_model import Script
from tests.e2e.browser import ask, fresh_profile, log_in, running_browser
from tests.stack import Stack

KEEP_TRACKS = """(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (constraints) => {
        const stream = await open(constraints);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
})();"""
ANSWER = "A red star."


def stream(page: Page) -> None:
    """Start the camera and ask."""
    page.get_by_test_id("start-camera").click()
    status = page.get_by_test_id("status")
    expect(status).to_have_attribute("data-state", "streaming", timeout=30_000)
    assert ask(page, "What do you see?") == ANSWER


def sign_out(page: Page) -> None:
    page.get_by_label("Menu").click()
    page.get_by_test_id("logout").click()
    expect(page.locator("input[name=password]")).to_be_visible()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser(remembering=True) as browser:
        yield browser


@pytest.fixture
def tab(light_stack: Stack, script: Script, chromium: Browser) -> Iterator[Page]:
    """A tab that has streamed and asked."""
    with fresh_profile(chromium) as page:
        page.context.add_init_script(KEEP_TRACKS)
        log_in(page, light_stack.url)
        stream(page)
        yield page


def second_tab(tab: Page, stack: Stack) -> Page:
    """Another tab of the same browser that has streamed and asked."""
    other = tab.context.new_page()
    other.goto(stack.url)
    stream(other)
    return other


def test_back_after_signing_out_leads_to_the_login(tab: Page, light_stack: Stack):
    sign_out(tab)
    tab.evaluate("history.back()")
    expect(tab).to_have_url(re.compile(r"/login\?next="))
    expect(tab.locator("input[name=password]")).to_be_visible()
    expect(tab.get_by_test_id("start-camera")).to_have_count(0)
    assert ANSWER not in tab.content()


def test_nor_does_a_page_come_back_that_the_browser_has_kept(light_stack: Stack, chromium: Browser):
    """Chromium keeps no page that has streamed, but it does keep one that has not."""
    with fresh_profile(chromium) as page:
        log_in(page, light_stack.url)
        expect(page.get_by_test_id("start-camera")).to_be_enabled()
        page.get_by_test_id("question").fill("What do you see?")
        page.get_by_test_id("question").press("Enter")
        expect(page.get_by_test_id("answer-meta")).to_contain_text("Start the camera")
        sign_out(page)
        page.evaluate("history.back()")
        expect(page).to_have_url(re.compile(r"/login\?next="))
        expect(page.locator("input[name=password]")).to_be_visible()
        assert "What do you see?" not in page.content()


def test_every_tab_of_the_browser_is_signed_out(tab: Page, light_stack: Stack):
    other = second_tab(tab, light_stack)
    other.get_by_test_id("question").fill("What was I about to a")
    sign_out(tab)
    status = other.get_by_test_id("status")
    expect(status).to_have_attribute("data-state", "signed-out")
    expect(status).to_contain_text("Signed out")
    expect(other.locator("#notice-title")).to_have_text("You are signed out")
    assert other.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    assert other.get_by_test_id("answer").count() == 0
    expect(other.get_by_test_id("question")).to_have_value("")
    other.get_by_label("Menu").click()
    expect(other.get_by_test_id("logout")).to_be_hidden()
    other.get_by_label("Menu").click()
    other.get_by_test_id("start-camera").click()
    expect(other.locator("#notice-title")).to_have_text("Please sign in")
    assert other.evaluate("tracks.every((track) => track.readyState === 'ended')")
    other.get_by_test_id("sign-in").click()
    expect(other).to_have_url(re.compile(r"/login\?next="))


def test_so_is_a_tab_whose_session_has_ended_before(tab: Page, light_stack: Stack):
    other = second_tab(tab, light_stack)
    other.get_by_label("Menu").click()
    other.get_by_test_id("end-session").click()
    status = other.get_by_test_id("status")
    expect(status).to_have_attribute("data-state", "ended")
    assert other.get_by_test_id("answer").count() == 1
    sign_out(tab)
    expect(status).to_have_attribute("data-state", "signed-out")
    assert other.get_by_test_id("answer").count() == 0


def test_an_old_tab_does_not_go_on_as_who_signs_in_next(tab: Page, light_stack: Stack):
    other = second_tab(tab, light_stack)
    sign_out(tab)
    expect(other.get_by_test_id("status")).to_have_attribute("data-state", "signed-out")
    tab.fill("input[name=username]", "operator")
    tab.fill("input[name=password]", light_stack.password("operator"))
    tab.click("button[type=submit]")
    expect(tab.get_by_test_id("start-camera")).to_be_visible()
    with other.expect_navigation():
        other.get_by_test_id("start-camera").click()
    expect(other.get_by_test_id("status")).to_have_attribute("data-state", "idle")
    assert other.get_by_test_id("answer").count() == 0
    assert other.evaluate("tracks") == []
    expect(other.locator(".menu-note strong")).to_have_text("operator")


def test_a_page_that_comes_back_from_the_browsers_memory_is_loaded_anew(
    tab: Page, light_stack: Stack
):
    """As browsers may keep it that are not so strict with pages that are not to be stored."""
    tab.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    expect(tab.get_by_test_id("answer")).to_be_hidden()
    assert tab.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    with tab.expect_navigation():
        tab.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(tab.get_by_test_id("status")).to_have_attribute("data-state", "idle")
    assert tab.get_by_test_id("answer").count() == 0


@pytest.mark.parametrize("path", ["/account", "/console/", "/admin/"])
def test_so_is_any_other_page(light_stack: Stack, chromium: Browser, path: str):
    with fresh_profile(chromium) as page:
        page.goto(f"{light_stack.url}/login")
        page.fill("input[name=username]", "operator")
        page.fill("input[name=password]", light_stack.password("operator"))
        page.click("button[type=submit]")
        expect(page.get_by_test_id("start-camera")).to_be_visible()
        page.goto(f"{light_stack.url}{path}", wait_until="load")
        page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
        expect(page.locator("body")).to_be_hidden()
        with page.expect_navigation():
            page.evaluate(
                "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
            )
        expect(page.locator("body")).to_be_visible()
