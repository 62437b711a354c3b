"""A stand-in for the model server that tells when each request came and what time its frame shows.

Run as a process of its own, so that its clock readings wait for nobody:

    python -m deploy.benchmark.model '{"first_token": 0.2, "token": 0.02, "tokens": 16}'

Prints its base URL as JSON, then one JSON object a request. A question names itself by a mark such
as `[q-17]` at its end.
"""

import base64
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import simplejpeg

from deploy.benchmark import timecode

MODEL: Final = "stand-in"
_MARK: Final = re.compile(r"\[([\w-]+)\]\s*$")


def mark_of(request: dict[str, Any]) -> str:
    """Return the mark of the request's question, empty without one."""
    found = _MARK.search(_last_part(request, "text").get("text", ""))
    return found[1] if found else ""


def painted_code(request: dict[str, Any]) -> int | None:
    """Return the timecode in the request's picture, None when it can't be read."""
    url = _last_part(request, "image_url").get("image_url", {}).get("url", "")
    try:
        jpeg = base64.b64decode(url.partition(",")[2])
        return timecode.read(simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[:, :, 0])
    except (ValueError, timecode.Unreadable):
        return None


def _last_part(request: dict[str, Any], kind: str) -> dict[str, Any]:
    content = request["messages"][-1]["content"]
    parts = [part for part in content if isinstance(part, dict) and part.get("type") == kind]
    return parts[-1] if parts else {}


class _Reports:
    """Lines on standard output, one writer at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def tell(self, **fields: object) -> None:
        with self._lock:
            print(json.dumps(fields), flush=True)


class _Server(ThreadingHTTPServer):
    """Answers at `pace`: seconds to the first token, seconds a token, number of tokens."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pace: dict[str, float], reports: _Reports) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pace = pace
        self.reports = reports

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, as cancelled answers do; tell all else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        arrived_at = time.time()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = painted_code(request)
        age = None if code is None else timecode.age_ms(code, at=arrived_at)
        report = {"mark": mark_of(request), "arrived_at": arrived_at, "age_ms": age}
        try:
            first_at, ended_at = self._answer(arrived_at)
        except OSError:
            self.server.reports.tell(**report, gone=True)
            return
        self.server.reports.tell(**report, first_at=first_at, ended_at=ended_at)

    def _answer(self, arrived_at: float) -> tuple[float, float]:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pace = self.server.pace
        count = int(pace["tokens"])
        first_at = 0.0
        for number in range(count):
            due = arrived_at + pace["first_token"] + number * pace["token"]
            time.sleep(max(0.0, due - time.time()))
            self._event({"choices": [{"delta": {"content": f"word{number} "}}]})
            first_at = first_at or time.time()
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 200, "completion_tokens": count}
        self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        ended_at = time.time()
        self._chunk(b"")
        return first_at, ended_at

    def _event(self, data: dict[str, object]) -> None:
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def main() -> None:
    """Serve until standard input closes."""
    reports = _Reports()
    server = _Server(json.loads(sys.argv[1]), reports)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    reports.tell(base_url=f"http://127.0.0.1:{server.server_port}/v1")
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
