"""Model servers, at the wire."""

import asyncio

import pytest

from apps.maintenance.doctor.model_server import (
    WantedModel,
    check_model,
    check_model_clock,
    judge_models,
    model_checks,
)
from tests.unit.inference.model_server import ModelServer, Reply

WANTED = WantedModel(name="qwencam-demo", context=4096, api_key="secret")


def serving(status: int, body: object, *headers: str):
    async def script(reply: Reply) -> None:
        if headers:
            reply._writer.write(
                "\r\n".join(
                    [f"HTTP/1.1 {status} X", *headers, "Content-Length: 2\r\n\r\n{}"]
                ).encode()
            )
            return
        await reply.plain(status, body)

    return script


async def found(check, base_url: str, **options):
    return await asyncio.to_thread(check, base_url, wanted=WANTED, **{"timeout": 5} | options)


async def test_one_that_serves_the_model():
    models = {"data": [{"id": "qwencam-demo", "max_model_len": 4096}]}
    async with ModelServer(health=serving(200, models)) as server:
        finding = await found(check_model, server.base_url)
    assert finding.status == "ok"
    assert server.requests[0].path == "/v1/models"
    assert server.requests[0].headers["authorization"] == "Bearer secret"


async def test_one_that_is_away():
    finding = await found(check_model, "http://127.0.0.1:1/v1")
    assert finding.status == "failed"
    assert "VLLM_BASE_URL" in finding.mend
    assert (await found(check_model_clock, "http://127.0.0.1:1/v1")).status == "skipped"


async def test_one_that_hangs():
    async def hang(reply: Reply) -> None:
        await reply.until_hung_up()

    async with ModelServer(health=hang) as server:
        finding = await found(check_model, server.base_url, timeout=0.2)
    assert finding.status == "failed"
    assert "Timeout" in finding.found


@pytest.mark.parametrize(
    ("status", "body", "setting"),
    [
        (401, {}, "VLLM_API_KEY"),
        (403, {}, "VLLM_API_KEY"),
        (404, {"detail": "Not Found"}, "VLLM_BASE_URL"),
        (200, [], "VLLM_BASE_URL"),
        (200, {"data": [{"name": "x"}]}, "VLLM_BASE_URL"),
        (200, {"data": []}, "MODEL_NAME"),
        (200, {"data": [{"id": "another"}]}, "MODEL_NAME"),
    ],
)
async def test_one_that_can_not_be_used(status, body, setting):
    async with ModelServer(health=serving(status, body)) as server:
        finding = await found(check_model, server.base_url)
    assert finding.status == "failed"
    assert setting in finding.mend


@pytest.mark.parametrize(
    ("told", "status"), [(4095, "failed"), (4096, "ok"), (32768, "ok"), (None, "ok")]
)
def test_the_context(told, status):
    model = {} if told is None else {"max_model_len": told}
    finding = judge_models({"qwencam-demo": model}, wanted=WANTED)
    assert finding.status == status
    if status == "failed":
        assert "MODEL_MAX_TOKENS" in finding.mend


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Date: Thu, 01 Jan 2026 00:00:00 GMT", "warning"),
        ("Date: yesterday", "skipped"),
        ("X-Other: 1", "skipped"),
    ],
)
async def test_the_clock(header, status):
    async with ModelServer(health=serving(200, None, header)) as server:
        assert (await found(check_model_clock, server.base_url)).status == status


def test_each_server_has_checks_of_its_own_without_secrets():
    urls = ("http://user:password@a:8100/v1", "http://b:8100/v1")
    names = [check.name for check in model_checks(urls, wanted=WANTED, timeout=1)]
    assert names == ["vLLM a:8100", "vLLM b:8100", "clock of a:8100", "clock of b:8100"]
