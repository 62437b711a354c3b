"""A hub of models on loopback, as Hugging Face's and ModelScope's clients see theirs.

It serves folders as repositories, each file of some size as one in LFS: hashed by SHA-256 and sent
from another host name, as a content network is. What goes wrong is scripted by `Faults`.
"""

import hashlib
import json
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import parse_qs, unquote, urlsplit

LFS_BYTES = 100_000
ENDLESS_BYTES = 100 * 2**20


@dataclass
class Faults:
    """What goes wrong, by file name.

    Attributes:
        cut: the connection ends after so many bytes of the file, once.
        reset: the same, but the connection is reset.
        flip: so many times the middle byte of the file arrives changed.
        stall: after so many bytes of the file nothing comes until `go` is set.
        endless: the file goes on, up to `ENDLESS_BYTES`, without a length.
        fail: every request is answered with this status, if it is set.
        portal: every request (``everything``) or those for files (``files``) are led to a login
            page, as a network does that nobody has logged in to.
    """

    cut: dict[str, int] = field(default_factory=dict)
    reset: dict[str, int] = field(default_factory=dict)
    flip: dict[str, int] = field(default_factory=dict)
    stall: dict[str, int] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    go: threading.Event = field(default_factory=threading.Event)
    fail: int | None = None
    portal: str = ""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A folder that is served under a name.

    Attributes:
        revisions: the branches and tags that there are; all are at the same commit.
        token: what a client must show to see it at all (a private one).
        gated: only that token's account has accepted the licence; anybody may list the files.
        sizes: what is said of files that are larger than a test could have; not to be fetched.
    """

    folder: Path
    revisions: tuple[str, ...] = ("main", "master")
    token: str | None = None
    gated: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        """A commit that changes with the content."""
        digest = hashlib.sha1(usedforsecurity=False)
        for path in self.paths():
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def paths(self) -> list[Path]:
        """All files, in the order of their names."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that came: method, path with query, the Range and the token it carried."""

    method: str
    path: str
    host: str
    range: str | None
    token: str | None


class StubHub:
    """Serves `repositories` by their names; remembers every request in `seen`, and in
    `sent_endless` how many bytes of endless files went out.

    `tokens` are those of accounts; any other is refused.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens: set[str] = set()
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.sent_endless = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """What HF_ENDPOINT (MODELSCOPE_ENDPOINT) should be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def content_url(self) -> str:
        """Where files in LFS come from: a host that must not see any token."""
        return f"http://localhost:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End; the port is free again."""
        self.faults.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ranges(self, name: str) -> list[str | None]:
        """Return the Range of each request for a file's content, in order."""
        return [
            seen.range
            for seen in self.seen
            if seen.method == "GET" and seen.path.rpartition("/")[2].partition("?")[0] == name
        ]


@contextmanager
def stub_hub() -> Iterator[StubHub]:
    """Serve a hub while it is entered."""
    hub = StubHub()
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: StubHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._remember()
        if self.server.hub.faults.fail:
            self._refuse(self.server.hub.faults.fail)
            return
        if self._lead_to_login():
            return
        if (token := self.server.hub.seen[-1].token) and token not in self.server.hub.tokens:
            self._refuse(401, message="Invalid credentials in Authorization header")
            return
        address = urlsplit(self.path)
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        match parts:
            case ["api", "models", owner, name]:
                self._describe(f"{owner}/{name}", "main")
            case ["api", "models", owner, name, "revision", revision]:
                self._describe(f"{owner}/{name}", revision)
            case [owner, name, "resolve", revision, file]:
                self._resolve(f"{owner}/{name}", revision, file)
            case ["content", owner, name, file]:
                self._send_file(self.server.hub.repositories[f"{owner}/{name}"].folder / file)
            case ["api", "v1", "models", owner, name, "repo", "files"]:
                self._list(f"{owner}/{name}", parse_qs(address.query)["Revision"][0])
            case ["api", "v1", "models", owner, name, "repo"]:
                query = parse_qs(address.query)
                file = query["FilePath"][0]
                if repository := self._readable(f"{owner}/{name}", query["Revision"][0]):
                    self._send_file(repository.folder / file)
            case _:
                self._refuse(404)

    def _lead_to_login(self) -> bool:
        portal = self.server.hub.faults.portal
        if not portal or (portal == "files" and "/api/" in self.path):
            return False
        if self.path == "/login":
            page = b"<html>Please log in.</html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else page)
            return True
        self.send_response(302)
        self.send_header("Location", "/login")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def _remember(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        seen = Seen(
            method=self.command,
            path=self.path,
            host=self.headers["Host"],
            range=self.headers.get("Range"),
            token=token,
        )
        self.server.hub.seen.append(seen)

    def _readable(self, name: str, revision: str, *, for_content: bool = True) -> Repository | None:
        """Return the repository, or refuse as the hubs do: hidden, gated or not there."""
        repository = self.server.hub.repositories.get(name)
        token = self.server.hub.seen[-1].token
        if repository is None or (
            repository.token and not repository.gated and token != repository.token
        ):
            # Hugging Face does not say whether a hidden repository exists, ModelScope does.
            known = token or self.path.startswith("/api/v1/")
            self._refuse(404 if known else 401, code="RepoNotFound" if known else None)
            return None
        if revision not in (*repository.revisions, repository.commit):
            self._refuse(404, code="RevisionNotFound")
            return None
        if repository.gated and for_content and token != repository.token:
            self._refuse(403 if token else 401, code="GatedRepo")
            return None
        return repository

    def _describe(self, name: str, revision: str) -> None:
        if not (repository := self._readable(name, revision, for_content=False)):
            return
        siblings = [_sibling(path, folder=repository.folder) for path in repository.paths()]
        for sibling in siblings:
            sibling["size"] = repository.sizes.get(str(sibling["rfilename"]), sibling["size"])
        self._send_json({"id": name, "sha": repository.commit, "siblings": siblings})

    def _list(self, name: str, revision: str) -> None:
        if not (repository := self._readable(name, revision)):
            return
        files = [
            {
                "Path": str(path.relative_to(repository.folder)),
                "Name": path.name,
                "Size": path.stat().st_size,
                "Sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "Type": "blob",
            }
            for path in repository.paths()
        ]
        self._send_json({"Code": 200, "Success": True, "Data": {"Files": files}})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        if not (repository := self._readable(name, revision)):
            return
        path = repository.folder / file
        if not path.is_file():
            self._refuse(404, code="EntryNotFound")
        elif path.stat().st_size < LFS_BYTES:
            self._send_file(path)
        else:
            location = f"{self.server.hub.content_url}/content/{name}/{file}?signature=secret"
            self.send_response(302)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send_file(self, path: Path) -> None:
        content = path.read_bytes()
        faults = self.server.hub.faults
        if path.name in faults.endless:
            self._send_endless()
            return
        if faults.flip.get(path.name, 0):
            faults.flip[path.name] -= 1
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if begin:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(ConnectionError):
            self._send_content(path.name, content, begin=begin)

    def _send_endless(self) -> None:
        block = bytes(2**20)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            for _ in range(ENDLESS_BYTES // len(block)):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
                self.server.hub.sent_endless += len(block)
            self.wfile.write(b"0\r\n\r\n")

    def _send_content(self, name: str, content: bytes, *, begin: int) -> None:
        faults = self.server.hub.faults
        if cut := faults.cut.pop(name, None):
            self.wfile.write(content[begin:cut])
            self.close_connection = True
            return
        if reset := faults.reset.pop(name, None):
            self.wfile.write(content[begin:reset])
            # The reader takes what was sent first, or it could be lost with the connection.
            faults.go.wait(1)
            # Closed with this option, at once, a socket sends a reset instead of an orderly end.
            self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        if stall := faults.stall.pop(name, None):
            self.wfile.write(content[begin:stall])
            faults.go.wait()
            begin = max(begin, stall)
        self.wfile.write(content[begin:])

    def _send_json(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _refuse(self, status: int, *, code: str | None = None, message: str | None = None) -> None:
        self.send_response(status)
        for name, value in (("X-Error-Code", code), ("X-Error-Message", message)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _sibling(path: Path, *, folder: Path) -> dict[str, object]:
    content = path.read_bytes()
    sibling: dict[str, object] = {"rfilename": str(path.relative_to(folder)), "size": len(content)}
    if len(content) >= LFS_BYTES:
        sha256 = hashlib.sha256(content).hexdigest()
        sibling["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
    else:
        blob = b"blob %d\0" % len(content) + content
        sibling["blobId"] = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    return sibling
