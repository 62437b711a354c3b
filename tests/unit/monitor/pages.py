"""Readings of a made-up platform, for the tests of what is made of them."""

from apps.inference.gpus import Gpu
from deploy.monitor.exposition import parse
from deploy.monitor.scraping import Health, HealthCheck, Reading

WELL = Health(
    status="ok",
    version="1.2.3",
    checks={"redis": HealthCheck(status="ok", latency_ms=2.0, detail="")},
)
AWAY = Health(status="unreachable", problem="Nothing answers there.")
GPU = Gpu(name="AMD Instinct MI300X", use=0.5, memory_used=2**33, memory_total=2**34, power=300.0)


def reading(at: float, *, questions: float = 0, busy: float = 0, frames: float = 0) -> Reading:
    """A reading of a platform that has taken so many questions and frames so far."""
    text = f"""
qwencam_sessions 3
qwencam_sessions_limit 50
qwencam_accepting_sessions 1
qwencam_sockets 4
qwencam_streams_connected 2
qwencam_queue_depth{{kind="question"}} 1
qwencam_queue_depth{{kind="live"}} 2
qwencam_queue_limit 64
qwencam_worker_slots 32
qwencam_worker_slots_used 2
qwencam_questions_total {questions}
qwencam_answers_total{{mode="ask"}} {questions}
qwencam_frames_received_total {frames}
qwencam_errors_total{{code="busy"}} {busy}
qwencam_offers_total{{outcome="answered"}} 9
django_http_responses_total_by_status_total{{status="200"}} 70
django_http_responses_total_by_status_total{{status="500"}} 1
qwencam_time_to_first_token_seconds_bucket{{le="0.5"}} {questions}
qwencam_time_to_first_token_seconds_bucket{{le="+Inf"}} {questions}
qwencam_model_server_up{{server="gpu-1:8100"}} 1
qwencam_model_server_up{{server="gpu-2:8100"}} 0
qwencam_model_server_answers{{server="gpu-1:8100"}} 2
"""
    vllm = f"""
vllm:num_requests_running{{engine="0"}} 2
vllm:num_requests_waiting{{engine="0"}} 1
vllm:kv_cache_usage_perc{{engine="0"}} 0.25
vllm:kv_cache_usage_perc{{engine="1"}} 0.75
vllm:generation_tokens_total{{engine="0"}} {questions * 20}
"""
    return Reading(
        at=at,
        time=1_800_000_000 + at,
        health=WELL,
        metrics=parse(text, at=at),
        model_servers={"gpu-1:8100": parse(vllm, at=at)},
        gpus=[GPU],
    )


def absence(at: float) -> Reading:
    """A reading while the server is away."""
    return Reading(at=at, time=1_800_000_000 + at, health=AWAY, gpus=[GPU])
