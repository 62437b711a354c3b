"""Prometheus metrics of model requests."""

import time
from typing import Self

from prometheus_client import Counter, Histogram

from apps.contract import Refusal

_SECONDS = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 120)

REQUESTS = Counter(
    "qwencam_inference_requests",
    "Requests to the model servers, by outcome: answered, cancelled, or an error code.",
    ["outcome"],
)
FAILOVERS = Counter("qwencam_inference_failovers", "Requests that another model server took over.")
FIRST_TOKEN_SECONDS = Histogram(
    "qwencam_inference_first_token_seconds",
    "From a request to the model's first token.",
    buckets=_SECONDS,
)
ANSWER_SECONDS = Histogram(
    "qwencam_inference_answer_seconds",
    "From a request to the model's last token.",
    buckets=_SECONDS,
)


class RequestTimer:
    """Counts one request by its outcome and times it, for as long as the context lasts.

    One that ends by something else than a `Refusal` was cancelled: its asker has gone.
    """

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._is_first = True
        return self

    def token(self) -> None:
        """A token has come; only the first matters."""
        if self._is_first:
            self._is_first = False
            FIRST_TOKEN_SECONDS.observe(time.monotonic() - self._began)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        outcome = "cancelled"
        if error is None:
            outcome = "answered"
            ANSWER_SECONDS.observe(time.monotonic() - self._began)
        elif isinstance(error, Refusal):
            outcome = error.code
        REQUESTS.labels(outcome).inc()
