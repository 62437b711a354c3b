"""The metrics page of an inference worker: a small HTTP server beside its work.

A Celery worker has no web server of its own. With the pool of threads, which QwenCam runs, the
process that serves the page is the one that counts.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from prometheus_client import make_wsgi_app

from qwencam_site.metrics import access

logger = logging.getLogger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # One reader that stalls holds its own thread only, and nobody waits for it at the end.
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def address_string(self) -> str:  # No name look-up, which may hang.
        return str(self.client_address[0])

    def log_message(self, format: str, *args: Any) -> None:
        pass


class WorkerPage:
    """Serves this process's metrics at every path while it is started.

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
                self._host, self._port, guarded, server_class=_Server, handler_class=_Quiet
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


_all_metrics = make_wsgi_app()


def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application: the metrics, for the addresses in ``METRICS_ALLOW`` only."""
    if access.is_allowed(environ.get("REMOTE_ADDR", ""), allow=settings.METRICS_ALLOW):
        page: Iterable[bytes] = _all_metrics(environ, start_response)
        return page
    start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{access.DETAIL}\n".encode()]


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
