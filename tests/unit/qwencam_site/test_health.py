"""Health: names what is wrong, in time, and tells nobody's secrets."""

import asyncio
import time

import pytest

from qwencam_site import health
from qwencam_site.health import Check, CheckFailed, run_check, verdict

WELL = Check(status="ok", latency_ms=1, detail="")
ILL = Check(status="down", latency_ms=1, detail="Gone.")


@pytest.mark.parametrize(
    ("ill", "status"),
    [
        ([], "ok"),
        (["vllm"], "degraded"),
        (["workers", "vllm"], "degraded"),
        (["redis"], "down"),
        (["database", "vllm"], "down"),
    ],
)
def test_the_verdict_follows_from_what_is_ill(ill: list[str], status: str):
    checks = {name: ILL if name in ill else WELL for name in health.CHECKS}
    assert verdict(checks) == status


async def test_a_check_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    began = time.monotonic()
    check = await run_check(lambda: asyncio.sleep(60))  # type: ignore[arg-type]
    assert check.status == "down"
    assert "No answer" in check.detail
    assert time.monotonic() - began < 5


async def test_only_our_own_sentences_are_shown():
    async def ours() -> str:
        raise CheckFailed("No worker.")

    async def theirs() -> str:
        raise OSError("password=hunter2 host=db.internal")

    assert (await run_check(ours)).detail == "No worker."
    assert (await run_check(theirs)).detail == "It failed with OSError."


@pytest.mark.django_db(transaction=True)
async def test_without_redis_it_is_down(async_client):
    reply = await async_client.get("/health")
    assert reply.status_code == 503
    assert reply.json()["checks"]["redis"]["status"] == "down"
    assert reply.json()["checks"]["database"]["status"] == "ok"
