"""What a model server says of itself.

Guards against: a server that is no vLLM, or answers nonsense, taking the console down; a rate
that turns negative when a server restarts; the figures of several engines read as one's.
"""

import httpx
import pytest

from apps.inference.server_status import ServerStatusReader, parse_metrics, status_of

URL = "http://model/v1"
METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 200.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 150.0
vllm:generation_tokens_total{engine="0",model_name="m"} TOKENS
python_gc_objects_collected_total{generation="0"} 9.0
"""


class Server:
    """A model server at the wire."""

    def __init__(self) -> None:
        self.tokens = 1000
        self.paths: dict[str, httpx.Response] = {
            "/health": httpx.Response(200),
            "/version": httpx.Response(200, json={"version": "0.32.0"}),
            "/v1/models": httpx.Response(200, json={"data": [{"id": "qwen"}]}),
        }
        self.keys: set[str | None] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            self.keys.add(request.headers.get("Authorization"))
        if request.url.path == "/metrics" and "/metrics" not in self.paths:
            return httpx.Response(200, text=METRICS.replace("TOKENS", str(self.tokens)))
        return self.paths.get(request.url.path, httpx.Response(404))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def reader(server):
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        yield ServerStatusReader(URL, api_key="key", client=client)


async def test_a_vllm_tells_all(reader, server):
    status = await reader.read(now=1.0)
    assert (status.up, status.model, status.version) == (True, "qwen", "0.32.0")
    assert (status.running, status.waiting) == (3, 4)
    assert (status.kv_cache_use, status.prefix_hit_rate) == (0.25, 0.75)
    assert status.tokens_per_second is None
    assert server.keys == {"Bearer key"}


async def test_tokens_a_second_are_those_since_the_last_look(reader, server):
    await reader.read(now=1.0)
    server.tokens = 1300
    assert (await reader.read(now=3.0)).tokens_per_second == 150


async def test_a_restart_gives_no_rate_rather_than_a_negative_one(reader, server):
    await reader.read(now=1.0)
    server.tokens = 5
    assert (await reader.read(now=3.0)).tokens_per_second is None


async def test_a_server_that_comes_back_may_be_another(reader, server):
    await reader.read(now=1.0)
    server.paths["/health"] = httpx.Response(503)
    down = await reader.read(now=2.0)
    assert (down.up, down.model) == (False, None)
    assert "503" in down.detail
    server.paths["/health"] = httpx.Response(200)
    server.paths["/v1/models"] = httpx.Response(200, json={"data": [{"id": "other"}]})
    assert (await reader.read(now=3.0)).model == "other"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(200, text="vllm:num_requests_running{ nonsense"),
        httpx.Response(200, json=[1, 2]),
    ],
)
async def test_what_is_no_vllm_is_up_and_says_less(reader, server, answer):
    server.paths |= {"/metrics": answer, "/version": answer, "/v1/models": answer}
    status = await reader.read(now=1.0)
    assert status.up
    assert (status.model, status.version, status.running, status.tokens) == (None,) * 4


def test_without_any_query_there_is_no_hit_rate():
    assert (
        status_of(URL, parse_metrics("vllm:prefix_cache_queries_total 0.0\n")).prefix_hit_rate
        is None
    )
