"""``GET /health``: is every part there? Answers within 2 s whatever hangs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Literal

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis.exceptions import ResponseError

from apps.fleet import presence
from apps.fleet.redis_client import async_redis
from apps.inference.connection import probe

CHECK_SECONDS = 1.5
HEALTH_KEY = "health"
HEALTH_KEY_SECONDS = 10
Status = Literal["ok", "degraded", "down"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one part answered, how long it took, and a sentence when it did not."""

    status: Literal["ok", "down"]
    latency_ms: float
    detail: str


class CheckFailed(Exception):
    """A part is not well; the sentence is for everybody to read."""


async def check_database() -> str:
    """Run one trivial query."""

    def query() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    # A thread of its own: a hanging database must not block the thread other views share.
    await sync_to_async(query, thread_sensitive=False)()
    return ""


async def check_redis() -> str:
    """Write to Redis: one that only answers reads can't take a question."""
    try:
        await async_redis().set(HEALTH_KEY, 1, ex=HEALTH_KEY_SECONDS)
    except ResponseError as error:
        raise CheckFailed("Redis answers, but refuses writes.") from error
    return ""


async def check_workers() -> str:
    """Look for a worker's heartbeat."""
    workers = await presence.workers(async_redis())
    if not workers:
        raise CheckFailed("No inference worker has reported lately.")
    return f"{len(workers)} up"


async def check_vllm() -> str:
    """Ask every model server; one that answers is enough."""
    results = await asyncio.gather(*(probe(url) for url in settings.VLLM_BASE_URLS))
    if not any(ok for ok, _ in results):
        raise CheckFailed(results[0][1] or "No model server answers.")
    return f"{sum(ok for ok, _ in results)} of {len(results)} up"


CHECKS: dict[str, Callable[[], Awaitable[str]]] = {
    "database": check_database,
    "redis": check_redis,
    "workers": check_workers,
    "vllm": check_vllm,
}


async def run_check(check: Callable[[], Awaitable[str]]) -> Check:
    """Run one check within ``CHECK_SECONDS``; any failure becomes its ``detail``."""
    began = time.perf_counter()
    status: Literal["ok", "down"] = "ok"
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            detail = await check()
    except TimeoutError:
        status, detail = "down", f"No answer within {CHECK_SECONDS} s."
    except CheckFailed as failure:
        status, detail = "down", str(failure)
    except Exception as error:  # A health page reports every failure, it never fails itself.
        # Only the kind: the text may name hosts and users, and anybody may read this page.
        status, detail = "down", f"It failed with {type(error).__name__}."
    latency = round((time.perf_counter() - began) * 1000, 1)
    return Check(status=status, latency_ms=latency, detail=detail)


async def health_checks() -> dict[str, Check]:
    """Run all checks at once."""
    results = await asyncio.gather(*(run_check(check) for check in CHECKS.values()))
    return dict(zip(CHECKS, results, strict=True))


def verdict(checks: dict[str, Check]) -> Status:
    """``down`` without database or Redis, ``degraded`` without workers or model, else ``ok``."""
    failed = {name for name, check in checks.items() if check.status != "ok"}
    if failed & {"database", "redis"}:
        return "down"
    return "degraded" if failed else "ok"


@require_safe
async def view(request: HttpRequest) -> JsonResponse:
    """Run all checks and answer 200, or 503 when down."""
    checks = await health_checks()
    status = verdict(checks)
    body = {
        "status": status,
        "version": settings.VERSION,
        "checks": {name: asdict(check) for name, check in checks.items()},
    }
    return JsonResponse(body, status=503 if status == "down" else 200)
