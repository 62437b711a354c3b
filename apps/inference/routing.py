"""Which model server is asked next. Pure: the caller gives the time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

STICKY_HEADSTART = 2
"""Answers that a session's own server may have under way beyond the least busy one's: its caches
save the encoding of a frame and the reading of the turns before, a wait behind two answers costs
more than they save."""

COOLDOWN_SECONDS = 5.0
"""How long a server that refused a request is asked last, though it says that it is well."""


@dataclass
class Server:
    """What is known of one server; times are monotonic seconds.

    Attributes:
        open: answers that this process has it give now.
        elsewhere: those of the other processes, as they last reported.
        up: what the last health check found.
        heard_at: when it last sent anything of an answer.
        refused_at: when it last failed a request.
        last_request: number of the last request that was meant for it first: of equals the one that
            waited longest is asked.
    """

    base_url: str
    open: int = 0
    elsewhere: int = 0
    up: bool = True
    heard_at: float = float("-inf")
    refused_at: float = float("-inf")
    last_request: int = 0

    @property
    def name(self) -> str:
        """Names it to operators and other processes: host, port and path, never a password."""
        parts = urlsplit(self.base_url)
        return parts.netloc.rpartition("@")[2] + parts.path.removesuffix("/v1")

    @property
    def load(self) -> int:
        """Answers under way, of all processes."""
        return self.open + self.elsewhere

    @contextmanager
    def answering(self) -> Iterator[None]:
        """One more answer is under way until the context is left, however it is left."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def came_back(self) -> None:
        """It is well: it may be asked again."""
        if not self.up:
            self.up, self.refused_at = True, float("-inf")


def in_order(servers: Sequence[Server], *, sticky: str, now: float) -> list[Server]:
    """The servers, best first.

    Those that are up come before those that are not, those that just refused a request after the
    others; then the least busy comes first, with a headstart for `sticky`, the name of the server
    that answered the session before ("" for none).
    """

    def rank(server: Server) -> tuple[bool, bool, int, bool, int]:
        is_sticky = server.name == sticky
        return (
            not server.up,
            now - server.refused_at < COOLDOWN_SECONDS,
            server.load - STICKY_HEADSTART * is_sticky,
            not is_sticky,
            server.last_request,
        )

    return sorted(servers, key=rank)
