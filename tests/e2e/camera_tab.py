"""One tab on the camera page, with the server played at the wire."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.sync_api import Page, expect

WIRE = (Path(__file__).parent / "fake_wire.js").read_text()
TOKENS = {
    "access": "a",
    "refresh": "r",
    "session_id": "s",
    "expires_in": 300,
    "ws_url": "/ws/s",
    "ice_servers": [],
}
FRAME = {"age_ms": 38, "width": 448, "height": 252, "captured_at": 1}

TAB_HEADER = "X-Tab"
"""What a tab's requests are known by."""

Reply = tuple[int, dict[str, Any]]


class CameraTab:
    """One tab on the camera page; ``calls`` counts the requests to the API by path."""

    def __init__(self, page: Page, *, token: Reply, init: str) -> None:
        self.page = page
        self.name = uuid4().hex
        self.problems: list[str] = []
        self.calls: dict[str, int] = {}
        self.token = token
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._heard)
        page.add_init_script(init + WIRE)
        page.set_extra_http_headers({TAB_HEADER: self.name})

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def reply(self, path: str) -> Reply | None:
        """Return what the API says to this tab; None for what is no part of the API."""
        replies: dict[str, Reply] = {
            "/api/token": self.token,
            "/api/token/refresh": (200, {"access": "b"}),
            "/api/session": (200, {}),
            "/health": (200, {"checks": {}}),
        }
        if path in replies:
            self.calls[path] = self.calls.get(path, 0) + 1
        return replies.get(path)

    def part(self, name: str) -> Any:
        """Return the element with this test id."""
        return self.page.get_by_test_id(name)

    def expect_state(self, state: str, *words: str) -> None:
        """Wait for the state, and check that the words for it are there."""
        expect(self.part("status")).to_have_attribute("data-state", state, timeout=10_000)
        for word in words:
            expect(self.part("status")).to_contain_text(word, ignore_case=True)

    def start(self) -> None:
        """Start the camera and wait until the stream stands."""
        self.part("start-camera").click()
        self.expect_state("streaming")

    def type_question(self, text: str) -> None:
        self.part("question").fill(text)
        self.part("question").press("Enter")

    def ask(self, text: str) -> str:
        """Ask, and return the id that it went out under."""
        self.type_question(text)
        self.page.wait_for_function("text => wire.last('chat')?.content === text", arg=text)
        return str(self.sent("chat")[-1]["id"])

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return all messages of a type that the page has sent."""
        messages = self.page.evaluate("kind => wire.sent.filter((m) => m.type === kind)", kind)
        return list(messages)

    def say(self, **message: Any) -> None:
        """Send a message for the server."""
        self.page.evaluate("message => wire.send(message)", message)

    def answer(self, question: str, text: str) -> None:
        """Send a whole answer."""
        self.say(type="token", id=question, seq=1, text=text)
        self.respond(question, text)

    def respond(self, question: str, text: str) -> None:
        """Send the end of an answer."""
        figures = {"inference_time": 0.9, "ttft": 0.24, "frame": FRAME, "usage": {}}
        self.say(type="response", id=question, text=text, **figures)

    def fail(self, question: str | None, error: str, detail: str) -> None:
        """Send an error."""
        self.say(type="error", error=error, detail=detail, **({"id": question} if question else {}))


OpenTab = Callable[..., CameraTab]
