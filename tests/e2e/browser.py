"""Real Chromium with a fake camera, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.stack import PASSWORD

expect.set_options(timeout=20_000)

QUIET = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Return where Chromium is."""
    path = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium")
    assert path, "Chromium is not installed: ./scripts/test.sh installs it."
    return path


def headless_shell_path() -> str:
    """Return where Chromium without windows is, or else Chromium itself.

    The same engine at half the processor's time, for pages of which many are opened. It has no
    prompts: a camera needs ``--use-fake-ui-for-media-stream``.
    """
    return shutil.which("chromium-headless-shell") or chromium_path()


@contextmanager
def running_browser(
    *,
    camera: Path | None = None,
    cameras: int = 1,
    remembering: bool = False,
    shell: bool = False,
) -> Iterator[Browser]:
    """Run a browser for the tests of a module.

    Args:
        camera: a clip it takes for its camera.
        remembering: it keeps pages that were left, to show them again on Back, as people's own
            browsers do and Playwright's don't.
        shell: the headless shell will do.
    """
    arguments = [*QUIET, f"--use-fake-device-for-media-stream=device-count={cameras}"]
    if camera is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=headless_shell_path() if shell else chromium_path(),
            args=arguments,
            ignore_default_args=["--disable-back-forward-cache"] if remembering else None,
        )
        yield browser
        browser.close()


@contextmanager
def fresh_profile(browser: Browser, *, granted: bool = True, **context: object) -> Iterator[Page]:
    """Open a page in a browser as if nobody had used it; `granted` is the camera's permission."""
    profile = _new_profile(browser, granted=granted, **context)
    yield profile.new_page()
    profile.close()


def _new_profile(browser: Browser, *, granted: bool, **context: object) -> BrowserContext:
    permissions = ["camera"] if granted else []
    return browser.new_context(permissions=permissions, **context)  # type: ignore[arg-type]


@contextmanager
def open_page(
    *,
    camera: Path | None = None,
    cameras: int = 1,
    granted: bool = True,
    **context: object,
) -> Iterator[Page]:
    """Open a page in a browser of its own; `camera` and `cameras` as of `running_browser`."""
    with running_browser(camera=camera, cameras=cameras) as browser:
        # The profile ends with the browser, which a test may have killed.
        yield _new_profile(browser, granted=granted, **context).new_page()


def log_in(page: Page, url: str) -> None:
    """Log in as the demo user; the camera page is open afterwards."""
    page.goto(f"{url}/")
    page.fill("input[name=username]", "demo")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_test_id("start-camera")).to_be_visible()


def ask(page: Page, question: str, *, patience: float = 30) -> str:
    """Ask and return the whole answer, once it has ended."""
    before = page.get_by_test_id("answer").count()
    page.get_by_test_id("question").fill(question)
    page.get_by_test_id("send").click()
    answer = page.get_by_test_id("answer").nth(before)
    # The figures of an answer are shown once it is whole.
    expect(page.get_by_test_id("answer-meta").nth(before)).to_contain_text(
        "ms", timeout=patience * 1000
    )
    return answer.inner_text()
