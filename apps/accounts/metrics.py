"""Prometheus metrics of accounts."""

from prometheus_client import Counter

from apps.contract import ErrorCode

# Series that alerts watch are there from the start: an increase from nothing is none to Prometheus.
LOGINS_REFUSED = Counter("qwencam_logins_refused", "Logins refused, by error code.", ["code"])
REQUESTS_THROTTLED = Counter(
    "qwencam_account_requests_throttled",
    "Requests refused for being too many, by kind (registration, password_reset).",
    ["kind"],
)
MAILS_SENT = Counter(
    "qwencam_mails", "Mails handed to the mail server, by outcome (sent, failed).", ["outcome"]
)
for _code in (ErrorCode.INVALID_CREDENTIALS, ErrorCode.RATE_LIMITED):
    LOGINS_REFUSED.labels(_code)
for _outcome in ("sent", "failed"):
    MAILS_SENT.labels(_outcome)
