"""The metrics page of an inference worker: a small HTTP server beside its work.

A Celery worker has no web server of its own. With the pool of threads, which QwenCam runs, the
process that serves the page is the one that counts.
"""

import logging
import sys
import threading
from contextlib import suppress
from functools import cache
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from prometheus_client import make_wsgi_app

from qwencam_site.metrics import access

logger = logging.getLogger(__name__)


MOST_READERS = 16
REFUSAL = (
    f"HTTP/1.0 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{access.DETAIL}\n"
).encode()


class _Server(ThreadingMixIn, WSGIServer):
    """Gives a thread to allowed addresses only, and to so many readers at a time."""

    daemon_threads = True
    # One reader that stalls holds its own thread only, and nobody waits for it at the end.
    block_on_close = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = threading.Semaphore(MOST_READERS)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if access.is_allowed(str(client_address[0]), allow=settings.METRICS_ALLOW):
            return True
        # Without waiting: it fits into the buffer of a connection that is just open.
        with suppress(OSError):
            request.settimeout(0)
            request.send(REFUSAL)
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # There was no thread for it.
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of readers that went away or stalled, and no traceback of anything."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logger.warning("A reader of the worker's metrics got none: %s.", type(error).__name__)


class _Quiet(WSGIRequestHandler):
    # Of each read: what is silent for so long is closed.
    timeout = 10

    def address_string(self) -> str:  # No name look-up, which may hang.
        return str(self.client_address[0])

    def log_message(self, format: str, *args: Any) -> None:
        pass


_all_metrics = make_wsgi_app()


class WorkerPage:
    """Serves this process's metrics at every path while it is started, to ``METRICS_ALLOW`` only.

    Args:
        host, port: where; port 0 is nowhere.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: WSGIServer | None = None

    def start(self) -> None:
        """Begin to serve. Where that is impossible a warning says so: answers matter more."""
        if self._server is not None or not self._port:
            return
        try:
            server = make_server(
                self._host, self._port, _all_metrics, server_class=_Server, handler_class=_Quiet
            )
        except OSError as error:
            logger.warning(
                "The worker's metrics can't be served at %s port %s (%s): give each worker a "
                "WORKER_METRICS_PORT of its own, or 0 for none.",
                self._host,
                self._port,
                error.strerror,
            )
            return
        self._server = server
        threading.Thread(target=server.serve_forever, name="worker-metrics", daemon=True).start()

    def stop(self) -> None:
        """End it; the port is free again."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@cache
def worker_page() -> WorkerPage:
    """Return this process's page, as the settings have it."""
    return WorkerPage(settings.WORKER_METRICS_HOST, settings.WORKER_METRICS_PORT)


@worker_ready.connect
def start_page(**_: Any) -> None:
    """Serve as soon as the worker takes tasks."""
    worker_page().start()


@worker_shutdown.connect
def stop_page(**_: Any) -> None:
    """End with the worker."""
    worker_page().stop()
