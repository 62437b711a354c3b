"""The console's states in real Chromium, with the server's messages played at the wire.

Guards against: figures that vanish when they are unknown, an end for the wrong sessions, charts
that only a mouse can read, unsaved settings lost to a login page, an account that may not look any
more and is not told.
"""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect, sync_playwright

from tests.e2e.browser import QUIET, headless_shell_path
from tests.e2e.test_console import signed_in
from tests.stack import Stack

MAY = ["end_sessions", "drain", "invite", "change_settings"]
MINUTE = 60_000
LOGIN = "**/login?next=%2Fconsole%2F"
NOW = {
    "type": "now",
    "sessions": {"live": 2, "limit": 100},
    "streams": 0,
    "questions": {"active": 0, "waiting": 0, "limit": 64},
    "answers_per_minute": 0,
    "ttft": None,
    "total": None,
    "errors": {},
    "accepting": True,
    "health": {"database": "ok", "redis": "ok", "workers": "ok", "vllm": "down"},
}
SETTING = {
    "name": "max_sessions",
    "kind": "integer",
    "label": "Sessions",
    "help": "At once.",
    "low": 1,
    "high": 1000,
    "value": 100,
    "default": 100,
    "changed_at": None,
    "changed_by": None,
}


def session(number: int, user_id: int | None) -> dict[str, Any]:
    return {
        "id": f"session-{number}",
        "user": f"user{user_id}" if user_id else None,
        "user_id": user_id,
        "address": "192.0.2.7",
        "started_at": 1_700_000_000_000 + number,
        "last_active_at": 1_700_000_000_000,
        "ended_at": None,
        "end_reason": "",
        "end_note": "",
        "questions": 0,
        "answers": 0,
        "errors": 0,
        "frames": 0,
        "last_error": None,
        "stream": None,
    }


def minute(at: int, answers: int) -> dict[str, Any]:
    return {
        "at": at,
        "answers": answers,
        "errors": 0,
        "ttft_p50": None,
        "ttft_p95": None,
        "streams": 0,
    }


def ending(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text) + "$")


class Wire:
    """The server's end of the console's socket."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._socket: WebSocketRoute | None = None
        page.route_web_socket("**/ws/console", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda _: None)
        hello = {"username": "operator", "permissions": MAY}
        self.say(type="hello", version="0", me=hello)
        self.say(type="settings", rows=[SETTING])
        self.say(**NOW)

    def say(self, **message: Any) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def close(self, code: int) -> None:
        assert self._socket is not None
        self._socket.close(code=code)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=headless_shell_path(), args=QUIET)


@pytest.fixture
def wire(browser: Browser, light_stack: Stack) -> Iterator[Wire]:
    """A console whose server says what a test makes it say."""
    password = light_stack.password("operator")
    with signed_in(browser, light_stack, "operator", password, "/console/audit") as page:
        wire = Wire(page)
        page.goto(f"{light_stack.url}/console/")
        expect(page.get_by_test_id("connection")).to_have_text("Live")
        yield wire


def test_nothing_and_nobody_is_said_plainly(wire: Wire):
    wire.say(type="sessions", full=True, rows=[], gone=[])
    wire.say(type="servers", rows=[])
    wire.say(type="workers", rows=[], gpus=[])
    page = wire.page
    expect(page.get_by_test_id("sessions-empty")).to_have_text("Nobody is here at the moment.")
    expect(page.locator("#servers")).to_have_text("No model server is configured.")
    expect(page.locator("#workers")).to_contain_text("questions are not answered")
    expect(page.locator("#gpus")).to_have_text("No GPU on the workers\u2019 hosts.")
    expect(page.get_by_test_id("now-health")).to_have_text("Trouble")
    page.get_by_test_id("show-ended").click()
    expect(page.get_by_test_id("sessions-empty")).to_have_text("No session has ended yet.")


def test_a_figure_that_is_unknown_keeps_its_place(wire: Wire):
    server = {
        "url": "http://gpu1:8100/v1",
        "up": True,
        "detail": "",
        "model": "big",
        "version": "0.32.0",
        "running": 2,
        "waiting": None,
        "kv_cache_use": 0.25,
        "prefix_hit_rate": None,
        "tokens_per_second": None,
    }
    down = {**server, "url": "http://gpu2:8100/v1", "up": False, "detail": "Connection refused."}
    wire.say(type="servers", rows=[server, down])
    gpu = {
        "host": "gpu1",
        "name": "AMD Instinct MI300X",
        "use": 0.93,
        "memory_used": 180e9,
        "memory_total": 192e9,
        "temperature": None,
        "power": 540,
    }
    wire.say(type="workers", rows=[], gpus=[gpu])
    first, second = (wire.page.get_by_test_id("server-card").nth(n) for n in range(2))
    expect(first.locator("dt")).to_have_count(5)
    expect(first).to_contain_text("Prefix hits")
    expect(second).to_contain_text("http://gpu2:8100/v1: Connection refused.")
    card = wire.page.get_by_test_id("gpu-card")
    expect(card).to_contain_text("180 GB of 192 GB")
    expect(card.locator("dd").nth(2)).to_have_text("\u2013")


def test_all_sessions_of_one_user_are_ended_and_no_others(wire: Wire):
    rows = [session(1, 7), session(2, 7), session(3, 8), session(4, None)]
    wire.say(type="sessions", full=True, rows=rows, gone=[])
    called: list[tuple[str, Any]] = []

    def end(route: Route) -> None:
        called.append((route.request.url, route.request.post_data_json))
        route.fulfill(status=200, json={"ended": 2})

    wire.page.route("**/console/api/**", end)
    of_other = wire.page.get_by_test_id("session-row").filter(has_text="user8")
    of_other.get_by_test_id("end-session").click()
    expect(wire.page.get_by_test_id("scope-all")).to_be_hidden()
    wire.page.get_by_test_id("dialog-cancel").click()
    row = wire.page.get_by_test_id("session-row").filter(has_text="user7").first
    row.get_by_test_id("end-session").click()
    wire.page.get_by_test_id("scope-all").check()
    wire.page.get_by_test_id("end-note").fill("Bye.")
    wire.page.get_by_test_id("dialog-confirm").click()
    expect(wire.page.get_by_test_id("toast")).to_have_text("2 sessions ended.")
    ((url, body),) = called
    assert url.endswith("/console/api/users/7/end-sessions")
    assert body == {"note": "Bye."}


def test_a_chart_is_read_by_keyboard_and_its_cursor_stays_on_its_minute(wire: Wire):
    began = int(time.time() * 1000) // MINUTE * MINUTE
    minutes = [minute(began - age * MINUTE, 10 + age) for age in range(3, 0, -1)]
    wire.say(type="hour", minutes=minutes)
    chart = wire.page.get_by_role("slider").first
    chart.focus()
    for _ in range(2):
        chart.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", ending("answers 13, errors 0"))
    assert chart.get_attribute("aria-valuenow") == "-2"
    wire.say(type="minute", **minute(began, 99))
    expect(chart).to_have_attribute("aria-valuenow", "-3")
    expect(chart).to_have_attribute("aria-valuetext", ending("answers 13, errors 0"))
    chart.press("End")
    expect(chart).to_have_attribute("aria-valuetext", ending("answers 99, errors 0"))


def test_who_may_not_look_any_more_is_told(wire: Wire):
    wire.close(4403)
    expect(wire.page.get_by_test_id("stale")).to_contain_text("may not look at the console")
    expect(wire.page.get_by_test_id("connection")).to_have_text("Not allowed")


def test_signed_out_leads_to_the_login(wire: Wire):
    # Its end is awaited, too: a browser that is closed while it goes to a page may hang.
    with wire.page.expect_request(LOGIN), wire.page.expect_navigation():
        wire.close(4401)


def test_signed_out_while_typing_keeps_what_was_typed(wire: Wire):
    field = wire.page.get_by_test_id("setting-max_sessions")
    field.fill("7")
    wire.page.route(
        "**/console/api/settings/**",
        lambda route: route.fulfill(
            status=401, json={"error": "not_authenticated", "detail": "Log in again."}
        ),
    )
    wire.page.get_by_test_id("save-max_sessions").click()
    expect(wire.page.locator("#error-max_sessions")).to_have_text("Log in again.")
    expect(wire.page.get_by_test_id("stale")).to_contain_text("still here")
    expect(field).to_have_value("7")
    with wire.page.expect_request(LOGIN), wire.page.expect_navigation():
        wire.page.get_by_test_id("stale-login").click()
