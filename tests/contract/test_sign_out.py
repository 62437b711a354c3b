"""Signing out ends what that browser opened, and nothing is left for who comes next."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Self

import httpx
import pytest

from deploy.stand_in_model import Script
from tests.camera_client import CameraClient, Message
from tests.scenes import picture
from tests.stack import PASSWORD, Stack

PICTURE = picture("red circle middle")


class Browser:
    """One browser's cookies."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    @classmethod
    @contextmanager
    def signed_in(cls, stack: Stack) -> Iterator[Self]:
        """Sign in as the demo user."""
        with httpx.Client(base_url=stack.url, timeout=10, follow_redirects=True) as http:
            browser = cls(http)
            page = browser.submit("/login", "/login", username="demo", password=PASSWORD)
            assert 'data-testid="start-camera"' in page.text
            yield browser

    def submit(self, page: str, path: str, **fields: str) -> httpx.Response:
        """Send a form with the CSRF token of a page."""
        html = self.http.get(page, headers={"Accept": "text/html"}).text
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
        assert found
        return self.http.post(path, data={"csrfmiddlewaretoken": found[1], **fields})

    def token(self) -> httpx.Response:
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"]}
        return self.http.post("/api/token", json={}, headers=headers)

    def session(self) -> Message:
        reply = self.token()
        assert reply.status_code == 201, reply.text
        body: Message = reply.json()
        return body


@pytest.fixture
async def clients(light_stack: Stack) -> AsyncIterator[tuple[Browser, list[CameraClient]]]:
    """A browser, and sessions: two of its own, one of another browser's, one by password."""
    async with AsyncExitStack() as opened:
        mine, other = (opened.enter_context(Browser.signed_in(light_stack)) for _ in range(2))
        tokens = [mine.session(), mine.session(), other.session(), light_stack.token()]
        clients = [CameraClient(light_stack.url, token) for token in tokens]
        for client in clients:
            await opened.enter_async_context(client)
        yield mine, clients


def refused(stack: Stack, token: Message) -> list[tuple[int, str]]:
    """Return what the session's tokens are answered with."""
    bearer = {"Authorization": f"Bearer {token['access']}"}
    replies = [
        httpx.get(f"{stack.url}/api/session", headers=bearer),
        httpx.post(f"{stack.url}/api/webrtc/offer", json={"sdp": "x"}, headers=bearer),
        httpx.post(f"{stack.url}/api/token/refresh", json={"refresh": token["refresh"]}),
    ]
    return [(reply.status_code, reply.json()["error"]) for reply in replies]


async def test_signing_out_ends_this_browsers_sessions_and_no_others(
    light_stack: Stack, script: Script, clients: tuple[Browser, list[CameraClient]]
):
    browser, sessions = clients
    for client in sessions:
        await client.start_camera(PICTURE)
        await client.wait_for("stream", state="connected", width=640)
    page = await asyncio.to_thread(browser.submit, "/", "/logout")
    assert 'name="password"' in page.text
    for client in sessions[:2]:
        ended = await client.wait_for("ended")
        assert ended["reason"] == "signed_out"
        assert await client.wait_closed() == 4404
        assert refused(light_stack, client.token) == [(401, "session_ended")] * 3
    for client in sessions[2:]:
        assert client.close_code is None
        assert (await client.ask("What do you see?"))["text"] == "A red star."
    reply = browser.token()
    assert (reply.status_code, reply.json()["error"]) == (401, "not_authenticated")


def test_pages_are_stored_nowhere_and_static_files_are_kept(light_stack: Stack):
    with Browser.signed_in(light_stack) as browser:
        page = browser.http.get("/", headers={"Accept": "text/html"})
        assert page.headers["Cache-Control"] == "private, no-store"
        upload = browser.http.put("/", content=b"\xff", headers={"Content-Type": "image/jpeg"})
        assert upload.headers["Cache-Control"] == "private, no-store"
        assert browser.token().headers["Cache-Control"] == "private, no-store"
        script = re.search(r'src="(/static/camera/main\.\w+\.js)"', page.text)
        assert script
        kept = browser.http.get(script[1])
        assert kept.status_code == 200
        assert "no-store" not in kept.headers["Cache-Control"]
        assert "immutable" in kept.headers["Cache-Control"]
