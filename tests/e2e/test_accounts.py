"""Accounts in real Chromium, with a stand-in for the model.

What it guards:

- login, drawn scene, answer, logout; a preference shapes the request to the model;
- a locked-out login says so, and ends;
- an invitation is used once; a registration is opened by its mailed link;
- a session ended on the sessions page ends in the tab that has the camera;
- a deleted account takes its open camera along;
- the API's page renders under its Content-Security-Policy, from our own origin alone.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.stand_in_model import Script, StandInModel
from tests.e2e.browser import ask, fresh_profile, log_in, running_browser
from tests.stack import PASSWORD, Stack

NEW_PASSWORD = "quite-a-long-passphrase"
LOCKOUT_SECONDS = 10


@pytest.fixture(scope="module")
def accounts(stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A platform that lets people register, and locks them out early and shortly."""
    stack = Stack(
        tmp_path_factory.mktemp("accounts") / "data",
        VLLM_BASE_URL=stand_in.base_url,
        ALLOW_REGISTRATION="true",
        LOGIN_FAILURE_LIMIT="3",
        LOGIN_LOCKOUT_SECONDS=str(LOCKOUT_SECONDS),
        MAX_SESSIONS_PER_USER="100",
        TOKEN_REQUESTS_PER_MINUTE="1000",
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser(shell=True) as browser:
        yield browser


@contextmanager
def fresh_page(chromium: Browser) -> Iterator[Page]:
    """A page that may not use the camera and must not report any error."""
    problems: list[str] = []
    with fresh_profile(chromium, granted=False) as page:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if bad(message) else None)
        yield page
    assert problems == []


def bad(message: object) -> bool:
    text = getattr(message, "text", "")
    return getattr(message, "type", "") == "error" and "Failed to load resource" not in text


def sign_in(page: Page, username: str, password: str) -> None:
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.get_by_role("button", name="Sign in").click()


def invitation_link(stack: Stack, *arguments: str) -> str:
    made = stack.manage("create_invitation", *arguments, PUBLIC_URL=stack.url)
    return made.stdout.strip()


def start_scene(page: Page) -> None:
    page.get_by_test_id("demo-scene").click()
    expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)


def test_login_scene_answer_logout(accounts: Stack, chromium: Browser, script: Script):
    with fresh_page(chromium) as page:
        log_in(page, accounts.url)
        start_scene(page)
        assert ask(page, "What do you see?") == "".join(script.tokens)
        page.get_by_label("Menu").click()
        page.get_by_test_id("logout").click()
        expect(page).to_have_url(re.compile(r"/login"))
        page.goto(accounts.url)
        expect(page).to_have_url(re.compile(r"/login\?next=/"))


def test_preferences_shape_the_request_and_the_default_ones_do_not(
    accounts: Stack, chromium: Browser, stand_in: StandInModel, script: Script
):
    with fresh_page(chromium) as page:
        log_in(page, accounts.url)
        start_scene(page)
        ask(page, "What do you see?")
        other = page.context.new_page()
        other.goto(f"{accounts.url}/account")
        other.get_by_label("Answers in").select_option("German")
        other.get_by_label("Short").check()
        other.get_by_role("button", name="Save").click()
        expect(other.get_by_test_id("message")).to_have_text("Saved.")
        ask(page, "What do you see now?")
        other.get_by_label("Answers in").select_option("")
        other.get_by_label("Normal").check()
        other.get_by_role("button", name="Save").click()
    usual, wished = stand_in.requests
    assert usual["messages"][0]["content"].endswith("what the camera sees now.")
    assert usual["max_tokens"] == 128
    assert wished["messages"][0]["content"] == (
        usual["messages"][0]["content"] + " Answer in one short sentence. Answer in German."
    )
    assert wished["max_tokens"] == 42


def test_a_locked_out_login_says_so_and_ends(accounts: Stack, chromium: Browser):
    with fresh_page(chromium) as page:
        page.goto(f"{accounts.url}/login")
        for _ in range(3):
            sign_in(page, "demo", "wrong")
        error = page.get_by_role("alert")
        expect(error).to_contain_text("Too many failed logins")
        expect(page.locator("input[name=password]")).to_have_attribute("aria-invalid", "true")
        sign_in(page, "demo", PASSWORD)
        expect(error).to_contain_text("Too many failed logins")
        page.wait_for_timeout((LOCKOUT_SECONDS + 1) * 1000)
        sign_in(page, "demo", PASSWORD)
        expect(page.get_by_test_id("start-camera")).to_be_visible()


def test_an_invitation_is_used_once(accounts: Stack, chromium: Browser):
    link = invitation_link(accounts, "--email", "grace@example.org")
    with fresh_page(chromium) as page:
        page.goto(link)
        expect(page.get_by_label("E-mail address")).to_have_value("grace@example.org")
        page.get_by_label("Username").fill("demo")
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Join").click()
        expect(page.locator("#id_username_error")).to_contain_text("Somebody else")
        page.get_by_label("Username").fill("grace")
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_test_id("start-camera")).to_be_visible()
    with fresh_page(chromium) as page:
        page.goto(link)
        expect(page.get_by_role("heading")).to_have_text("This invitation is not valid")


def mailed_link(stack: Stack, path: str) -> str:
    """The newest link of that kind in the mail that the development server prints."""
    log = stack.data_dir / "logs" / "web.log"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = re.findall(rf"http://\S+{path}\S+", log.read_text())
        if found:
            return str(found[-1])
        time.sleep(0.1)
    raise AssertionError("No mail was printed.")


def test_a_registration_is_opened_by_its_mailed_link(accounts: Stack, chromium: Browser):
    with fresh_page(chromium) as page:
        page.goto(f"{accounts.url}/login")
        page.get_by_role("link", name="Create one").click()
        page.get_by_label("E-mail address").fill("ada@example.org")
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Create the account").click()
        expect(page.get_by_role("heading")).to_have_text("Look into your mail")
        page.goto(mailed_link(accounts, "/register/confirm/"))
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Open the account").click()
        expect(page.get_by_test_id("message")).to_contain_text("Your account is open")
        sign_in(page, "ada@example.org", NEW_PASSWORD)
        expect(page.get_by_test_id("start-camera")).to_be_visible()


def test_a_session_ended_on_its_page_ends_in_the_tab_with_the_camera(
    accounts: Stack, chromium: Browser, script: Script
):
    with fresh_page(chromium) as page:
        log_in(page, accounts.url)
        start_scene(page)
        ask(page, "What do you see?")
        other = page.context.new_page()
        other.goto(f"{accounts.url}/account/sessions")
        before = other.get_by_test_id("session").count()
        # The newest comes first.
        other.get_by_role("button", name="End the session").first.click()
        expect(other.get_by_test_id("message")).to_have_text("The session has ended.")
        expect(other.get_by_test_id("session")).to_have_count(before - 1)
        status = page.get_by_test_id("status")
        expect(status).to_have_attribute("data-state", "ended")


def test_a_deleted_account_takes_its_open_camera_along(accounts: Stack, chromium: Browser):
    link = invitation_link(accounts)
    with fresh_page(chromium) as page:
        page.goto(link)
        page.get_by_label("Username").fill("brief")
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Join").click()
        start_scene(page)
        other = page.context.new_page()
        other.goto(f"{accounts.url}/account/delete")
        other.get_by_label("Password").fill(NEW_PASSWORD)
        other.get_by_role("button", name="Delete my account").click()
        expect(other.get_by_test_id("message")).to_contain_text("Your account is deleted")
        status = page.get_by_test_id("status")
        expect(status).to_have_attribute("data-state", "signed-out")


def test_the_page_of_the_api_renders_from_our_own_origin(accounts: Stack, chromium: Browser):
    with fresh_page(chromium) as page:
        foreign: list[str] = []
        ours = (accounts.url, "data:", "blob:")
        page.on(
            "request",
            lambda request: (
                foreign.append(request.url) if not request.url.startswith(ours) else None
            ),
        )
        page.goto(f"{accounts.url}/api/docs")
        expect(page).to_have_url(re.compile(r"/login\?next=/api/docs"))
        sign_in(page, "demo", PASSWORD)
        expect(page.locator(".opblock")).to_have_count(5)
        page.locator(".opblock-summary-control").filter(has_text="Open a camera session").click()
        expect(page.get_by_text("Known by login cookie")).to_be_visible()
        assert foreign == []


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_the_account_pages_fit_and_lead_to_each_other(
    accounts: Stack, chromium: Browser, width: int
):
    with fresh_page(chromium) as page:
        page.set_viewport_size({"width": width, "height": 844})
        log_in(page, accounts.url)
        page.get_by_label("Menu").click()
        page.get_by_test_id("account").click()
        page.get_by_label("Display name").fill("A rather long name, longer than most")
        page.get_by_role("button", name="Save").click()
        for name in ("Sessions", "Password", "Delete", "Profile"):
            page.get_by_role("navigation").get_by_role("link", name=name).click()
            current = page.get_by_role("navigation").locator("[aria-current=page]")
            expect(current).to_have_text(name)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for control in page.locator("a:visible, button:visible").all():
                box = control.bounding_box()
                assert box is not None
                assert box["height"] >= 44, control.inner_text()
