"""How a worker waits for Redis: steadily, so that it is back a second after Redis is."""

import time
from functools import partial
from typing import Any, Final

from celery.worker.consumer import Consumer
from redis.exceptions import ResponseError

RETRY_SECONDS: Final = 1.0
"""Between two tries. Celery would wait two seconds longer each time, up to 32: after an outage of
two minutes nobody would be answered for half a minute."""


class SteadyConsumer(Consumer):
    """Celery's consumer of tasks; `CELERY_WORKER_CONSUMER` names it."""

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once it stands, tried again every `RETRY_SECONDS`."""
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=RETRY_SECONDS,
            interval_step=0,
            interval_max=RETRY_SECONDS,
        )
        return super().ensure_connected(conn)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Begin again, where Redis took the connection but no queue."""
        super().on_connection_error_before_connected(exc)
        _pause(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Begin again, at once where the connection was lost."""
        super().on_connection_error_after_connected(exc)
        _pause(exc)


def _pause(error: Exception) -> None:
    """Wait where writes are refused: the connection stands, so nothing else slows the worker."""
    if isinstance(error, ResponseError):
        time.sleep(RETRY_SECONDS)
