"""Prometheus metrics of model requests."""

from prometheus_client import Counter, Histogram

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
