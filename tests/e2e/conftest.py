"""The whole platform with the real vLLM and the demo checkpoint, once for all end-to-end tests.

And tabs on the camera page alone, for tests that play the server at the wire.
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test.testcases import LiveServerThread
from playwright.sync_api import BrowserContext, sync_playwright

from tests.e2e.browser import QUIET, chromium_path
from tests.e2e.camera_tab import TAB_HEADER, TOKENS, CameraTab, OpenTab, Reply
from tests.stack import Stack
from tests.vllm_server import VllmForks


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What ``./scripts/quickstart.sh`` gives a newcomer, on a port of its own."""
    stack = Stack(
        tmp_path_factory.mktemp("full") / "data",
        MAX_SESSIONS_PER_USER="100",
        TOKEN_REQUESTS_PER_MINUTE="1000",
        MAX_QUESTIONS_PER_MINUTE="1000",
    )
    stack.start(patience=900)
    yield stack
    assert stack.stop() == []


@pytest.fixture(scope="session")
def vllm_forks() -> Iterator[VllmForks]:
    """What further vLLMs come from, in seconds each."""
    forks = VllmForks()
    yield forks
    forks.close()


class PlayedSite(StaticFilesHandler):
    """The site itself, pages and static files, but for what its tabs play of the API.

    Served rather than intercepted in the browser, which would have each of a page's forty files
    come through the test and would keep none of them.
    """

    tabs: ClassVar[dict[str, CameraTab]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        tab = self.tabs.get(environ.get("HTTP_" + TAB_HEADER.upper().replace("-", "_"), ""))
        reply = tab.reply(environ["PATH_INFO"]) if tab else None
        if reply is None:
            return super().__call__(environ, start_response)
        status, body = reply
        start_response(f"{status} Played", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]


@pytest.fixture(scope="module")
def browsers() -> Iterator[dict[str, BrowserContext]]:
    """A browser with a camera, and one without, each with a profile."""
    allowed = [*QUIET, "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        launch = playwright.chromium.launch
        with_camera = [*allowed, "--use-fake-device-for-media-stream"]
        yield {
            "camera": launch(executable_path=chromium_path(), args=with_camera).new_context(),
            "none": launch(executable_path=chromium_path(), args=allowed).new_context(),
        }


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site itself: pages and static files, no database."""
    thread = LiveServerThread("127.0.0.1", PlayedSite, connections_override={})
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    yield f"http://127.0.0.1:{thread.port}"
    thread.terminate()


@pytest.fixture
def open_tab(browsers: dict[str, BrowserContext], site: str, settings: Any) -> Iterator[OpenTab]:
    """Open tabs of the demo's page without accounts; no tab may have had an error.

    They share a profile, emptied after each test but for the cache, unless one is asked for.
    """
    settings.REQUIRE_AUTH = False
    settings.DEMO_SCENE = True
    tabs: list[CameraTab] = []
    profiles: list[BrowserContext] = []

    def make(
        *, browser: str = "camera", token: Reply = (201, TOKENS), init: str = "", **context: Any
    ) -> CameraTab:
        profile = browsers[browser]
        if context:
            assert profile.browser is not None
            profile = profile.browser.new_context(**context)
            profiles.append(profile)
        tab = CameraTab(profile.new_page(), token=token, init=init)
        PlayedSite.tabs[tab.name] = tab
        tab.page.goto(site, wait_until="load")
        tabs.append(tab)
        return tab

    yield make
    problems = [problem for tab in tabs for problem in tab.problems]
    for tab in tabs:
        everything = {"origin": site, "storageTypes": "all"}
        tab.page.context.new_cdp_session(tab.page).send("Storage.clearDataForOrigin", everything)
        tab.page.close()
        del PlayedSite.tabs[tab.name]
    for profile in profiles:
        profile.close()
    assert problems == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as end to end."""
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
