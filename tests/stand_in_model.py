"""A stand-in for a model server: the OpenAI protocol at the wire, with answers a test scripts.

Used where a test needs what the demo checkpoint can't give: an answer of 2,000 tokens, a server
that stops half-way. What sees a picture is tested with the real vLLM.
"""

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What the server does from now on.

    Attributes:
        tokens: the answer, token by token.
        go: answers that have been asked for wait until this is set.
        first_token_seconds, token_seconds: delays after that.
    """

    tokens: list[str] = field(default_factory=lambda: ["A", " red", " star", "."])
    first_token_seconds: float = 0.0
    token_seconds: float = 0.0
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()


class StandInModel:
    """Serves on a port of its own; remembers every request and when it came (epoch, s)."""

    def __init__(self) -> None:
        self.script = Script()
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, model: StandInModel, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.model = model
        self.connections: set[socket.socket] = set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

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
        body = b'{"object":"list","data":[{"id":"qwencam-demo"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.model.arrivals.append(time.time())
        length = int(self.headers["Content-Length"])
        self.server.model.requests.append(json.loads(self.rfile.read(length)))
        try:
            self._stream(self.server.model.script)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _stream(self, script: Script) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        script.go.wait(60)
        time.sleep(script.first_token_seconds)
        for token in script.tokens:
            self._event({"choices": [{"delta": {"content": token}}]})
            if script.token_seconds:
                time.sleep(script.token_seconds)
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 10, "completion_tokens": len(script.tokens)}
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, data: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()
