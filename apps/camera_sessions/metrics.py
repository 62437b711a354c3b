"""Prometheus metrics of camera sessions."""

from prometheus_client import Counter, Gauge

from apps.camera_sessions.models import EndReason

SESSIONS_OPENED = Counter("qwencam_sessions_opened", "Camera sessions opened.")
SESSIONS_ENDED = Counter("qwencam_sessions_ended", "Camera sessions ended, by reason.", ["reason"])
for _reason in EndReason:
    SESSIONS_ENDED.labels(_reason.value)
SESSIONS_REFUSED = Counter(
    "qwencam_sessions_refused", "Camera sessions refused, by error code.", ["code"]
)
EXPIRY_RAN = Gauge(
    "qwencam_expiry_timestamp_seconds",
    "When this process last ended idle sessions, s since the epoch; 0 for never. "
    "The scheduler has a worker do it every 30 s.",
)
TOKENS_ISSUED = Counter(
    "qwencam_tokens_issued",
    "Token pairs issued, by how the caller was known (cookie, password, anonymous, refresh).",
    ["how"],
)
