"""What the installer hears of /health: a part is well only where every web server says so."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.install.health import everywhere, main, wait
from tests.ports import free_port

WELL, DOWN = {"status": "ok"}, {"status": "down"}


def serving(checks: dict[str, dict[str, str]]) -> HTTPServer:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Host"] == "camera.example.org"
            self.send_response(503 if known and DOWN in checks.values() else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"checks": checks} if known else {}).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def urls() -> Iterator[list[str]]:
    servers = [
        serving({"database": WELL, "redis": WELL, "vllm": WELL}),
        serving({"database": WELL, "redis": DOWN, "vllm": WELL}),
    ]
    yield [f"http://127.0.0.1:{server.server_port}/health" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_every_server_must_say_so(urls: list[str], capsys: pytest.CaptureFixture[str]):
    host = "camera.example.org"
    assert everywhere(urls[:1], host=host) == {"database", "redis", "vllm"}
    assert everywhere(urls, host=host) == {"database", "vllm"}
    assert everywhere([*urls, f"http://127.0.0.1:{free_port()}/health"], host=host) == set()
    assert wait(urls, host=host, need={"database"}, seconds=0) == set()
    assert wait(urls, host=host, need={"database", "redis"}, seconds=0) == {"redis"}
    assert everywhere(urls, host="another.example.org") == set()


def test_the_command_line(
    urls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    common = ["--host", "camera.example.org", "--url", urls[0], "--url", urls[1]]
    monkeypatch.setattr("sys.argv", ["health.py", "list", *common])
    main()
    assert capsys.readouterr().out == "database,vllm\n"
    monkeypatch.setattr(
        "sys.argv", ["health.py", "wait", "--need", "redis", "--seconds", "0", *common]
    )
    with pytest.raises(SystemExit, match=r"After 0 s still not well: redis\."):
        main()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_an_answer_that_is_none_says_that_nothing_is_well(answer: bytes):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def reply() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/health"
        assert everywhere([url], host="") == set()
        thread.join()
