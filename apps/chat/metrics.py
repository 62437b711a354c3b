"""Prometheus metrics of the chat; counts and times only."""

from prometheus_client import Counter, Gauge, Histogram

from apps.chat.protocol import Error, LiveText, Response, ServerMessage
from apps.contract import ErrorCode

SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120)

SOCKETS = Gauge("qwencam_sockets", "Open WebSockets.")
QUESTIONS = Counter("qwencam_questions_total", "Questions taken.")
ANSWERS = Counter("qwencam_answers_total", "Answers delivered.", ["mode"])
UNCHANGED = Counter(
    "qwencam_live_unchanged_total", "Live mode's frames on which the scene was as before."
)
ASKERS_LEFT = Counter(
    "qwencam_askers_left_total", "Waiting questions and live frames dropped: their page had gone."
)
EVENTS_LOST = Counter(
    "qwencam_events_lost_total", "Hints to other processes that could not be sent."
)
ERRORS = Counter("qwencam_errors_total", "Errors told to clients.", ["code"])
FAILURES = (
    ErrorCode.BUSY,
    ErrorCode.FILTER_FAILED,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.MODEL_ERROR,
    ErrorCode.MODEL_TIMEOUT,
    ErrorCode.MODEL_UNAVAILABLE,
    ErrorCode.NO_FRAME,
    ErrorCode.NO_STREAM,
    ErrorCode.UNAVAILABLE,
    ErrorCode.WORKER_LOST,
)
"""Errors that are not the asker's. Their series are there from the start: an increase from nothing
is none to Prometheus."""
for _code in FAILURES:
    ERRORS.labels(_code)
TTFT = Histogram(
    "qwencam_time_to_first_token_seconds",
    "From a question's arrival to the model's first token.",
    buckets=SECONDS,
)
INFERENCE = Histogram(
    "qwencam_inference_seconds", "From the request at the model server to the end.", buckets=SECONDS
)
FRAME_AGE = Histogram(
    "qwencam_answer_frame_age_seconds",
    "Age of the frame when the model was asked about it.",
    buckets=(0.01, 0.02, 0.04, 0.08, 0.12, 0.25, 0.5, 1, 2, 5),
)


def observe(message: ServerMessage) -> None:
    """Count what ends a question."""
    match message:
        case Response():
            ANSWERS.labels("ask").inc()
            TTFT.observe(message.ttft)
            INFERENCE.observe(message.inference_time)
            FRAME_AGE.observe(message.frame["age_ms"] / 1000)
        case LiveText(unchanged=True):
            UNCHANGED.inc()
        case LiveText():
            ANSWERS.labels("live").inc()
            INFERENCE.observe(message.inference_time)
            FRAME_AGE.observe(message.frame["age_ms"] / 1000)
        case Error():
            ERRORS.labels(message.error).inc()
        case _:
            pass
