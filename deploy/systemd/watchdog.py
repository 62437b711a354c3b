"""``python -m deploy.systemd.watchdog web|vllm COMMAND...``: runs a server that systemd watches.

COMMAND replaces this process, so systemd's signals reach the server itself. A child stays behind:
it asks ``/health`` again and again, says "ready" at the first answer and "alive" at each, and
systemd restarts the server (``WatchdogSec=``) when nothing is heard any more: one that hangs does
not end by itself.
"""

import ctypes
import http.client
import os
import signal
import ssl
import sys
import time
from dataclasses import dataclass
from typing import Final, Self

from apps.chat.service_notify import ALIVE, READY, notify

ASK_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
START_SECONDS: Final = 3600.0
"""A model server reads its weights and compiles first. What has not answered by then hangs."""
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the watched server listens, and which answers are those of a dead one.

    Attributes:
        dead: HTTP status that means that only a restart mends it, 0 for none.
    """

    host: str
    port: int
    tls: bool = False
    dead: int = 0

    @classmethod
    def web(cls) -> Self:
        """The web server, as its start script is set up.

        Every answer is that of a living one, 503 as well: no restart brings a database back.
        """
        tls = bool(os.environ.get("SSL_CERT_PATH"))
        return cls(host=_reachable("HOST"), port=int(os.environ.get("PORT") or 8000), tls=tls)

    @classmethod
    def vllm(cls) -> Self:
        """The model server, as its start script is set up; it says 503 when its engine is dead."""
        port = int(os.environ.get("VLLM_PORT") or 8100)
        return cls(host=_reachable("VLLM_HOST"), port=port, dead=503)

    def answers(self) -> bool:
        """Return whether ``/health`` answers as a living server does."""
        connection = self._connection()
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status != self.dead
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        # It is this machine, whatever name its certificate is for.
        anyone = ssl._create_unverified_context()  # noqa: S323
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=ANSWER_SECONDS, context=anyone
        )


def _reachable(name: str) -> str:
    """Return the address to ask, where the setting may be "all addresses"."""
    host = os.environ.get(name) or "127.0.0.1"
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def watch(server: Server) -> None:
    """Report for ``server`` until killed; it counts as alive while it starts."""
    started, began = False, time.monotonic()
    while True:
        if server.answers():
            notify(ALIVE if started else f"{READY}\n{ALIVE}")
            started = True
        elif not started and time.monotonic() - began < START_SECONDS:
            notify(ALIVE)
        time.sleep(ASK_SECONDS if started else 0.5)


def main() -> None:
    """Start the watching child, then become the command."""
    kind, *command = sys.argv[1:]
    server = {"web": Server.web, "vllm": Server.vllm}[kind]()
    parent = os.getpid()
    if os.fork() == 0:
        # Ends with the server, however that ends, or before it by the SIGTERM of a stop: from then
        # on systemd waits for the server's end, not for signs of life.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            watch(server)
        os._exit(0)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
