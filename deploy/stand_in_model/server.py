"""A stand-in for a model server: the OpenAI protocol at the wire, with answers that are scripted.

The tests use it where they need what the demo checkpoint can't give: an answer of 2,000 tokens, a
server that stops half-way. The benchmark uses it for an answer that takes as long each time. What
sees a picture is tested with the real vLLM.
"""

import json
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOLD_SECONDS = 60.0
"""How long an answer is held at most: a test that failed leaves no thread behind."""


@dataclass
class Script:
    """What the server does from now on.

    Attributes:
        tokens: the answer, token by token.
        prompt_tokens: what the usage says of the request.
        go: answers that have been asked for wait until this is set.
        first_token_seconds, token_seconds: delays after that.
    """

    tokens: list[str] = field(default_factory=lambda: ["A", " red", " star", "."])
    prompt_tokens: int = 10
    first_token_seconds: float = 0.0
    token_seconds: float = 0.0
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()


Note = dict[str, Any]
"""What is noted of a request."""


class StandInModel:
    """Serves on a port of its own; remembers every request and when it came (epoch, s).

    Args:
        name: of the model.
        keep_alive: whether a connection is used again, as vLLM does. Without, one who asks after
            `stop` finds nobody, which is what tests stop it for.
    """

    def __init__(
        self, script: Script | None = None, *, name: str = "qwencam-demo", keep_alive: bool = False
    ) -> None:
        self.script = script or Script()
        self.name = name
        self.keep_alive = keep_alive
        self.requests: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self._server = _Server(self)

    @property
    def base_url(self) -> str:
        """What VLLM_BASE_URL should be."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def start(self) -> None:
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End; the port is free again."""
        self._server.shutdown()
        self._server.server_close()

    def kill(self) -> None:
        """End as a killed process does: what is being answered breaks off."""
        self.stop()
        for connection in list(self._server.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def revive(self) -> None:
        """Serve at the same port again."""
        self._server = _Server(self, port=self._server.server_port)
        self.start()

    def arrived(self, request: dict[str, Any], *, at: float) -> Note:
        """Take a request, before its answer begins; what is returned goes to `answered`."""
        self.arrivals.append(at)
        self.requests.append(request)
        return {}

    def answered(self, note: Note, *, first_at: float, ended_at: float) -> None:
        """Take when (epoch, s) the first token and the last line of an answer went out."""

    def left(self, note: Note) -> None:
        """Take that the client hung up before the answer's end."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many users ask at once; the five of the standard library would have some wait a second for
    # their next SYN.
    request_queue_size = 128

    def __init__(self, model: StandInModel, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.model = model
        self.connections: set[socket.socket] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, as cancelled answers do; tell all else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # A token is a small packet that must not wait for the acknowledgement of the one before.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": self.server.model.name}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        arrived_at = time.time()
        model = self.server.model
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note = model.arrived(request, at=arrived_at)
        try:
            first_at, ended_at = self._answer(model.script, arrived_at=arrived_at)
        except OSError:
            self.close_connection = True
            model.left(note)
            return
        model.answered(note, first_at=first_at, ended_at=ended_at)

    def _answer(self, script: Script, *, arrived_at: float) -> tuple[float, float]:
        """Stream the answer; return when its first token and its last line went out."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        if not self.server.model.keep_alive:
            self.send_header("Connection", "close")
        self.end_headers()
        began = arrived_at
        if not script.go.is_set():
            script.go.wait(HOLD_SECONDS)
            began = time.time()
        first_at = self._tokens(script, began=began)
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": script.prompt_tokens, "completion_tokens": len(script.tokens)}
        self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        ended_at = time.time()
        self._chunk(b"")
        return first_at, ended_at

    def _tokens(self, script: Script, *, began: float) -> float:
        """Send the tokens, each at its own time so that delays do not add up."""
        first_due, first_at = began + script.first_token_seconds, 0.0
        for number, token in enumerate(script.tokens):
            due = first_due + number * script.token_seconds
            time.sleep(max(0.0, due - time.time()))
            self._event({"choices": [{"delta": {"content": token}}]})
            first_at = first_at or time.time()
        return first_at

    def _event(self, data: dict[str, object]) -> None:
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
