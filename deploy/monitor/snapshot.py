"""What the monitor shows and prints as JSON: plain numbers, None where nobody says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from apps.inference.gpus import Gpu
from deploy.monitor.exposition import MetricsPage
from deploy.monitor.measurement import Between, Percentiles
from deploy.monitor.scraping import Health, Reading

LATENCIES: Final = {
    "first token": "qwencam_time_to_first_token_seconds",
    "whole answer": "qwencam_inference_seconds",
    "age of the frame": "qwencam_answer_frame_age_seconds",
    "frame made ready": "qwencam_snapshot_seconds",
}
_ERROR_COUNTERS: Final = {
    "": ("qwencam_errors_total", "code"),
    "session ": ("qwencam_sessions_refused_total", "code"),
    "offer ": ("qwencam_offers_total", "outcome"),
    "login ": ("qwencam_logins_refused_total", "code"),
    "HTTP ": ("django_http_responses_total_by_status_total", "status"),
}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The platform's own numbers.

    Attributes:
        sockets, streams: open ones of the web server that was asked.
        queue: questions and live frames that wait or are being answered.
        per_minute, frames_per_second: over the window.
    """

    sessions: float | None = None
    sessions_limit: float | None = None
    accepting: bool | None = None
    sockets: float | None = None
    streams: float | None = None
    queue: Mapping[str, float] = field(default_factory=dict)
    queue_limit: float | None = None
    workers: float | None = None
    slots: float | None = None
    slots_used: float | None = None
    questions_per_minute: float | None = None
    answers_per_minute: float | None = None
    frames_per_second: float | None = None
    frames_dropped_per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorCount:
    """How often something went wrong: over the window, and since the server's start."""

    lately: float
    in_all: float


@dataclass(frozen=True, kw_only=True)
class ModelServer:
    """One model server; what only vLLM says is None where its own metrics can't be read.

    Attributes:
        up: whether a worker reached it lately.
        answers: those that it gives to all workers.
        kv_cache: share of its KV cache in use, 0 to 1.
    """

    up: bool
    answers: float | None = None
    running: float | None = None
    waiting: float | None = None
    kv_cache: float | None = None
    tokens_per_second: float | None = None
    first_token: Percentiles | None = None
    preemptions: float | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All of it at one moment.

    Attributes:
        time: seconds since the epoch.
        window_seconds: what "lately" means; None: since the server's start.
    """

    time: float
    server_url: str
    health: Health
    metrics_problem: str
    window_seconds: float | None
    platform: Platform | None
    latencies: Mapping[str, Percentiles]
    errors: Mapping[str, ErrorCount]
    model_servers: Mapping[str, ModelServer]
    gpus: Sequence[Gpu]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        content = asdict(self)
        content["time"] = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="seconds")
        return content


def snapshot(
    reading: Reading, *, server_url: str, before: Reading | None, last: Reading | None
) -> Snapshot:
    """Return what is shown of a reading.

    Args:
        before: the one at the beginning of the window, if there is one.
        last: the one before this, for rates that change quickly.
    """
    between = _between(reading, before)
    servers = _model_servers(reading, before=before, last=last)
    return Snapshot(
        time=reading.time,
        server_url=server_url,
        health=reading.health,
        metrics_problem=reading.metrics_problem,
        window_seconds=between.seconds if between else None,
        platform=_platform(between, quick=_between(reading, last)) if between else None,
        latencies=(
            {title: between.percentiles(name) for title, name in LATENCIES.items()}
            if between
            else {}
        ),
        errors=_errors(between) if between else {},
        model_servers=servers,
        gpus=reading.gpus,
    )


def _between(now: Reading, before: Reading | None) -> Between | None:
    if now.metrics is None:
        return None
    return Between(now=now.metrics, before=before.metrics if before else None)


def _platform(between: Between, *, quick: Between | None) -> Platform:
    now, quick = between.now, quick or between
    accepting = now.value("qwencam_accepting_sessions")
    return Platform(
        sessions=now.value("qwencam_sessions"),
        sessions_limit=now.value("qwencam_sessions_limit"),
        accepting=None if accepting is None else accepting > 0,
        sockets=now.value("qwencam_sockets"),
        streams=now.value("qwencam_streams_connected"),
        queue=now.by_label("qwencam_queue_depth", "kind"),
        queue_limit=now.value("qwencam_queue_limit"),
        workers=now.value("qwencam_workers"),
        slots=now.value("qwencam_worker_slots"),
        slots_used=now.value("qwencam_worker_slots_used"),
        questions_per_minute=_a_minute(between.per_second("qwencam_questions_total")),
        answers_per_minute=_a_minute(between.per_second("qwencam_answers_total")),
        frames_per_second=quick.per_second("qwencam_frames_received_total"),
        frames_dropped_per_second=quick.per_second("qwencam_frames_dropped_total"),
    )


def _a_minute(per_second: float | None) -> float | None:
    return None if per_second is None else per_second * 60


def _errors(between: Between) -> dict[str, ErrorCount]:
    """Return what went wrong at all, by its code."""
    found: dict[str, ErrorCount] = {}
    for prefix, (name, label) in _ERROR_COUNTERS.items():
        lately = between.increase_by_label(name, label)
        for code, in_all in between.now.by_label(name, label).items():
            wrong = code[:1] == "5" if prefix == "HTTP " else code != "answered"
            if in_all and wrong:
                found[f"{prefix}{code}"] = ErrorCount(lately=lately[code], in_all=in_all)
    return found


def _model_servers(
    reading: Reading, *, before: Reading | None, last: Reading | None
) -> dict[str, ModelServer]:
    page = reading.metrics
    if page is None:
        return {}
    answers = page.by_label("qwencam_model_server_answers", "server")
    return {
        name: _model_server(
            name, up=up > 0, answers=answers.get(name), reading=reading, before=before, last=last
        )
        for name, up in sorted(page.by_label("qwencam_model_server_up", "server").items())
    }


def _model_server(
    name: str,
    *,
    up: bool,
    answers: float | None,
    reading: Reading,
    before: Reading | None,
    last: Reading | None,
) -> ModelServer:
    own = reading.model_servers.get(name)
    if own is None:
        return ModelServer(up=up, answers=answers)
    window = Between(now=own, before=_page_of(before, name))
    quick = Between(now=own, before=_page_of(last, name))
    cache = own.samples.get("vllm:kv_cache_usage_perc")
    return ModelServer(
        up=up,
        answers=answers,
        running=own.value("vllm:num_requests_running"),
        waiting=own.value("vllm:num_requests_waiting"),
        kv_cache=max(cache.values()) if cache else None,  # Of several engines the fullest.
        tokens_per_second=quick.per_second("vllm:generation_tokens_total"),
        first_token=window.percentiles("vllm:time_to_first_token_seconds"),
        preemptions=window.increase("vllm:num_preemptions_total"),
    )


def _page_of(reading: Reading | None, name: str) -> MetricsPage | None:
    return reading.model_servers.get(name) if reading else None
