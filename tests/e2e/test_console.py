"""Operators at the console and camera users at their page, each in a real Chromium.

Guards against: an end that the user is not told of, a setting that only new sessions follow, a
viewer who may act, a table that is built anew at every tick.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deploy.stand_in_model import Script
from tests.e2e.browser import QUIET, headless_shell_path
from tests.stack import PASSWORD, Stack

STREAMING = re.compile(r"\d+.\d+ ?.*\b\d+\.\d\b")
MAKE_MEMBER = """
from django.contrib.auth.models import Group
from apps.accounts.models import User
user, _ = User.objects.get_or_create(username="{name}", is_staff=True)
user.set_password("{password}")
user.save()
user.groups.set(Group.objects.filter(name="{group}"))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=headless_shell_path(), args=QUIET)


@contextmanager
def signed_in(
    browser: Browser, stack: Stack, username: str, password: str, path: str = "/"
) -> Iterator[Page]:
    """Open a window of its own in which somebody has logged in; its scripts may not fail."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{stack.url}/login?next={path}")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    yield page
    context.close()
    assert problems == []


@contextmanager
def console_of(browser: Browser, stack: Stack, username: str, password: str) -> Iterator[Page]:
    with signed_in(browser, stack, username, password, "/console/") as page:
        expect(page.get_by_test_id("connection")).to_have_text("Live", timeout=20_000)
        yield page


@contextmanager
def operators_console(browser: Browser, stack: Stack) -> Iterator[Page]:
    with console_of(browser, stack, "operator", stack.password("operator")) as page:
        yield page


@contextmanager
def camera_user(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A user whose drawn scene streams."""
    with signed_in(browser, stack, "demo", PASSWORD) as page:
        page.get_by_test_id("demo-scene").click()
        expect(page.get_by_test_id("status")).to_contain_text("Drawn scene", timeout=20_000)
        yield page


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("question").fill(question)
    page.get_by_test_id("send").click()


def test_an_operator_ends_a_live_session_and_its_user_reads_why(
    browser: Browser, light_stack: Stack, script: Script
):
    script.tokens = ["A ", "star."]
    with (
        camera_user(browser, light_stack) as user,
        operators_console(browser, light_stack) as console,
    ):
        ask(user, "What do you see?")
        expect(user.get_by_test_id("answer").last).to_have_text("A star.")
        row = console.get_by_test_id("session-row").filter(has_text=STREAMING).first
        expect(row).to_contain_text("demo")
        expect(row.locator("[data-column=questions]")).to_have_text("1")
        expect(console.get_by_test_id("now-streams")).not_to_have_text("0")
        row.get_by_test_id("end-session").click()
        console.get_by_test_id("end-note").fill("The server is moved at <noon>.")
        console.get_by_test_id("dialog-confirm").click()
        began = time.monotonic()
        expect(user.get_by_test_id("status")).to_contain_text("Session ended")
        sys.stdout.write(f"the user read it {time.monotonic() - began:.2f} s after the click\n")
        expect(user.locator("#notice-text")).to_contain_text("The operator of this server ended it")
        expect(user.locator("#notice-text")).to_contain_text("The server is moved at <noon>.")
        expect(console.get_by_test_id("toast")).to_have_text("Session ended.")
        console.goto(f"{light_stack.url}/console/audit?kind=session_ended")
        entry = console.get_by_test_id("audit-row").first
        expect(entry).to_contain_text("operator")
        expect(entry).to_contain_text("The server is moved at <noon>.")


def test_a_changed_setting_is_in_force_for_a_session_that_runs(
    browser: Browser, light_stack: Stack, script: Script
):
    script.tokens = ["A ", "star."]
    with (
        camera_user(browser, light_stack) as user,
        operators_console(browser, light_stack) as console,
    ):
        field = console.get_by_test_id("setting-max_questions_per_minute")
        save = console.get_by_test_id("save-max_questions_per_minute")
        expect(save).to_be_disabled()
        field.fill("0")
        save.click()
        expect(console.locator("#error-max_questions_per_minute")).to_contain_text("from 1 to")
        field.fill("1")
        save.click()
        expect(console.locator(".setting").filter(has=field)).to_contain_text("by operator")
        try:
            user.wait_for_timeout(5000)  # every process has read it by then
            # Minutes are the clock's, so two questions may be of two of them, but not three.
            ask(user, "One?")
            ask(user, "Two?")
            ask(user, "Three?")
            expect(user.get_by_test_id("messages")).to_contain_text("1 questions a minute")
        finally:
            console.get_by_test_id("reset-max_questions_per_minute").click()
            expect(field).to_have_value("1000")


def test_an_operators_notice_is_read_at_once_and_draining_keeps_newcomers_out(
    browser: Browser, light_stack: Stack
):
    with (
        camera_user(browser, light_stack) as user,
        operators_console(browser, light_stack) as console,
    ):
        console.get_by_test_id("setting-notice").fill("We move the server at noon.")
        console.get_by_test_id("save-notice").click()
        expect(user.get_by_test_id("operator-notice")).to_have_text("We move the server at noon.")
        # There is no other switch for it, so nobody drains without being asked first.
        expect(console.get_by_test_id("setting-accept_sessions")).to_have_count(0)
        console.get_by_test_id("drain-toggle").click()
        console.get_by_test_id("dialog-confirm").click()
        try:
            expect(console.get_by_test_id("draining")).to_be_visible()
            expect(user.get_by_test_id("status")).to_contain_text("Drawn scene")
            with signed_in(browser, light_stack, "demo", PASSWORD) as newcomer:
                expect(newcomer.get_by_test_id("operator-notice")).to_be_visible()
                newcomer.get_by_test_id("demo-scene").click()
                expect(newcomer.locator("#notice-text")).to_contain_text("No new sessions")
        finally:
            console.get_by_test_id("drain-toggle").click()
            console.get_by_test_id("dialog-confirm").click()
            console.get_by_test_id("reset-notice").click()
            expect(console.get_by_test_id("draining")).to_be_hidden()
            expect(console.get_by_test_id("setting-notice")).to_have_value("")


def test_a_viewer_looks_and_may_do_nothing(browser: Browser, light_stack: Stack):
    code = MAKE_MEMBER.format(name="vera", password=PASSWORD, group="viewer")
    assert light_stack.manage("shell", "-c", code).returncode == 0
    with (
        camera_user(browser, light_stack),
        console_of(browser, light_stack, "vera", PASSWORD) as console,
    ):
        expect(console.get_by_test_id("session-row").first).to_be_visible()
        expect(console.get_by_test_id("end-session")).to_have_count(0)
        expect(console.get_by_test_id("drain-toggle")).to_be_disabled()
        expect(console.get_by_test_id("setting-max_sessions")).to_be_disabled()
        expect(console.get_by_role("main")).to_contain_text("Your group may look")
        expect(console.get_by_role("link", name="Invitations")).to_have_count(0)
        refused = console.evaluate(
            """async () => {
                const token = document.querySelector('meta[name="csrf-token"]').content;
                const reply = await fetch("/console/api/settings/max_sessions", {
                    method: "POST",
                    headers: {"Content-Type": "application/json", "X-CSRFToken": token},
                    body: '{"value": 1}',
                });
                return reply.status;
            }"""
        )
        assert refused == 403


def test_a_lost_connection_is_said_and_comes_back(browser: Browser, light_stack: Stack):
    with operators_console(browser, light_stack) as console:
        console.context.set_offline(True)
        # A socket that is open stays open; the server is what goes away in earnest.
        assert light_stack.kill("daphne") == 1
        expect(console.get_by_test_id("stale")).to_contain_text("lost", timeout=15_000)
        console.context.set_offline(False)
        expect(console.get_by_test_id("connection")).to_have_text("Live", timeout=30_000)
        expect(console.get_by_test_id("stale")).to_be_hidden()


def test_a_tick_touches_only_what_changed(browser: Browser, light_stack: Stack):
    with (
        camera_user(browser, light_stack),
        operators_console(browser, light_stack) as console,
    ):
        row = console.get_by_test_id("session-row").filter(has_text=STREAMING).first
        expect(row).to_be_visible()
        row.evaluate("element => { element.marked = true; }")
        frames = row.locator("[data-column=frames]")
        before = frames.inner_text()
        expect(frames).not_to_have_text(before)
        assert row.evaluate("element => element.marked") is True
        console.get_by_test_id("filter").fill("nobody-of-that-name")
        expect(console.get_by_test_id("sessions-empty")).to_have_text("No session matches.")
        console.get_by_test_id("filter").fill("DEMO")
        expect(row).to_be_visible()
        console.get_by_test_id("sort-user").click()
        head = console.get_by_role("columnheader", name="User")
        assert head.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("size", [(320, 640), (390, 844), (820, 1180), (1440, 900), (1920, 1080)])
def test_every_console_page_fits_and_can_be_touched(
    browser: Browser, light_stack: Stack, size: tuple[int, int]
):
    width, height = size
    with operators_console(browser, light_stack) as console:
        console.set_viewport_size({"width": width, "height": height})
        for path in ("/console/", "/console/audit", "/console/invitations"):
            console.goto(light_stack.url + path)
            console.wait_for_load_state("networkidle")
            assert console.evaluate("document.documentElement.scrollWidth") <= width, path
            for button in console.get_by_role("button").all():
                box = button.bounding_box()
                if box and button.is_visible():
                    assert box["height"] >= 44, button.inner_text()
