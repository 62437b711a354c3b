"""The whole platform with the real vLLM and the demo checkpoint, once for all end-to-end tests.

And tabs on the camera page alone, for tests that play the server at the wire.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser import QUIET, chromium_path
from tests.e2e.camera_tab import TOKENS, CameraTab, OpenTab, Reply
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


@pytest.fixture(scope="module")
def browsers() -> Iterator[dict[str, Browser]]:
    """A browser with a camera, and one without."""
    allowed = [*QUIET, "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        launch = playwright.chromium.launch
        with_camera = [*allowed, "--use-fake-device-for-media-stream"]
        yield {
            "camera": launch(executable_path=chromium_path(), args=with_camera),
            "none": launch(executable_path=chromium_path(), args=allowed),
        }


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site itself: pages and static files, no database."""
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler, connections_override={})
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    yield f"http://127.0.0.1:{thread.port}"
    thread.terminate()


@pytest.fixture
def open_tab(browsers: dict[str, Browser], site: str, settings: Any) -> Iterator[OpenTab]:
    """Open tabs of the demo's page without accounts; no tab may have had an error."""
    settings.REQUIRE_AUTH = False
    settings.DEMO_SCENE = True
    tabs = []

    def make(
        *, browser: str = "camera", token: Reply = (201, TOKENS), init: str = "", **context: Any
    ) -> CameraTab:
        page = browsers[browser].new_context(**context).new_page()
        tab = CameraTab(page, token=token, init=init)
        page.goto(site, wait_until="load")
        tabs.append(tab)
        return tab

    yield make
    problems = [problem for tab in tabs for problem in tab.problems]
    for tab in tabs:
        tab.page.context.close()
    assert problems == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as end to end."""
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
