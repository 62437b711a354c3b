"""The metrics pages of web process and worker.

Guards against: strangers reading them, a part that is away taking the page with it, a worker that
ends because its port is taken, series twice on a page, a limit that nobody sees being reached.
"""

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from ipaddress import ip_network
from pathlib import Path
from socket import create_connection

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.test import AsyncClient, Client
from redis.asyncio import Redis

from apps.camera_sessions import lifecycle
from apps.camera_sessions.metrics import EXPIRY_RAN
from apps.camera_sessions.tasks import expire_sessions
from apps.fleet import presence
from apps.fleet.queue_depth import QUEUE
from apps.fleet.server_loads import ServerLoad, ServerLoads
from apps.inference.metrics import REQUESTS
from qwencam_site.metrics import platform, worker
from qwencam_site.metrics.access import is_allowed
from qwencam_site.metrics.worker import WorkerPage
from tests.ports import free_port
from tests.unit.camera_sessions.worlds import LIMITS


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("11.1.2.3", False), ("", False)],
)
def test_metrics_are_for_listed_addresses_and_networks(address: str, allowed: bool):
    networks = [ip_network(text) for text in ("127.0.0.1", "::1", "10.0.0.0/8")]
    assert is_allowed(address, allow=networks) is allowed


def values(page: bytes, name: str) -> dict[str, float]:
    """A metric's values by its labels as written."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page.decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_with_everything_away_the_page_still_comes(client: Client):
    reply = client.get("/metrics")
    assert reply.status_code == 200
    checks = values(reply.content, "qwencam_health_check")
    assert checks.pop('check="database"') in (0, 1)
    assert set(checks.values()) == {0}
    assert values(reply.content, "qwencam_build_info")
    assert not values(reply.content, "qwencam_queue_depth")


def test_no_family_is_on_the_page_twice(client: Client):
    families = re.findall(rb"^# TYPE (\S+)", client.get("/metrics").content, re.MULTILINE)
    assert [name for name, count in Counter(families).items() if count > 1] == []


def loads(redis: Redis, worker: str) -> ServerLoads:
    return ServerLoads(redis, worker=worker, ttl=60)


async def test_operators_see_all_workers_together(redis: Redis):
    await loads(redis, "one").exchange({"a": ServerLoad(2, False), "b": ServerLoad(0, False)})
    await loads(redis, "two").exchange({"a": ServerLoad(3, True), "b": ServerLoad(0, False)})
    await presence.announce_worker(redis, "one", {"pool": 32, "active": 2})
    await presence.announce_worker(redis, "two", {"pool": 8, "active": 3})
    page = await platform.platform_page()
    assert values(page, "qwencam_model_server_answers") == {'server="a"': 5, 'server="b"': 0}
    assert values(page, "qwencam_model_server_up") == {'server="a"': 1, 'server="b"': 0}
    assert values(page, "qwencam_workers") == {"": 2}
    assert values(page, "qwencam_worker_slots") == {"": 40}
    assert values(page, "qwencam_worker_slots_used") == {"": 5}
    assert values(page, "qwencam_health_check")['check="workers"'] == 1


@pytest.mark.django_db(transaction=True)
async def test_limits_are_shown_beside_what_they_bound(
    async_client: AsyncClient, redis: Redis, settings
):
    settings.MAX_SESSIONS, settings.MAX_QUEUE_DEPTH = 7, 9
    await redis.zadd(QUEUE, {"session:question": time.time()})
    page = (await async_client.get("/metrics")).content
    assert values(page, "qwencam_sessions") == {"": 0}
    assert values(page, "qwencam_sessions_limit") == {"": 7}
    assert values(page, "qwencam_queue_depth") == {'kind="question"': 1, 'kind="live"': 0}
    assert values(page, "qwencam_queue_limit") == {"": 9}
    assert values(page, "qwencam_accepting_sessions") == {"": 1}


def test_only_live_sessions_count(db):
    session = lifecycle.open_session(None, address="192.0.2.1", limits=LIMITS)
    assert lifecycle.count_live(idle_seconds=60) == 1
    lifecycle.end_session(session.pk, reason=lifecycle.EndReason.USER)
    assert lifecycle.count_live(idle_seconds=60) == 0


def test_when_idle_sessions_were_ended_is_shown(db):
    before = time.time()
    expire_sessions()
    assert EXPIRY_RAN._value.get() >= before


def test_a_certificates_end_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera.example.org")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=10))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_PATH", str(path))
    page = Client().get("/metrics").content
    shown = values(page, "qwencam_certificate_expiry_timestamp_seconds")
    assert shown == {"": ends.timestamp()}


@pytest.fixture
def page() -> Iterator[WorkerPage]:
    page = WorkerPage("127.0.0.1", free_port())
    page.start()
    yield page
    page.stop()


def get(port: int) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_a_worker_serves_what_it_counts_and_nothing_of_the_platform(page: WorkerPage):
    REQUESTS.labels("answered").inc()
    status, body = get(page._port)
    assert status == 200
    assert values(body, "qwencam_inference_requests_total")['outcome="answered"'] >= 1
    assert b"qwencam_model_server_up" not in body


def test_a_workers_page_is_for_metrics_allow_only(page: WorkerPage, settings):
    settings.METRICS_ALLOW = [ip_network("10.0.0.0/8")]
    status, body = get(page._port)
    assert (status, body) == (
        403,
        b"This address may not read the metrics: see METRICS_ALLOW.\n",
    )


def readers() -> int:
    """Count the threads of such pages, not those of other tests' servers in this process."""
    return sum(
        "process_request_thread" in thread.name
        and isinstance(getattr(getattr(thread, "_target", None), "__self__", None), worker._Server)
        for thread in threading.enumerate()
    )


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_forbidden_address_is_given_no_thread(page: WorkerPage, settings):
    settings.METRICS_ALLOW = [ip_network("10.0.0.0/8")]
    wait_until(lambda: readers() == 0)
    for _ in range(20):
        with create_connection(("127.0.0.1", page._port), timeout=60) as silent:
            assert silent.recv(100).startswith(b"HTTP/1.0 403 Forbidden\r\n")
            assert readers() == 0


def test_silent_readers_are_bounded_and_end_quietly(
    page: WorkerPage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog
):
    wait_until(lambda: readers() == 0)
    with ExitStack() as open_sockets:
        silent = [
            open_sockets.enter_context(create_connection(("127.0.0.1", page._port), timeout=60))
            for _ in range(worker.MOST_READERS)
        ]
        wait_until(lambda: readers() >= worker.MOST_READERS)
        with create_connection(("127.0.0.1", page._port), timeout=60) as too_many:
            assert too_many.recv(1) == b""
        assert readers() == worker.MOST_READERS
        silent.pop().close()
        wait_until(lambda: readers() < worker.MOST_READERS)
        monkeypatch.setattr(worker._Quiet, "timeout", 0.1)
        with create_connection(("127.0.0.1", page._port), timeout=60) as stalled:
            assert stalled.recv(1) == b""
    wait_until(lambda: readers() == 0)
    assert get(page._port)[0] == 200
    assert capfd.readouterr().err == ""
    assert caplog.text == ""


def test_a_taken_port_is_a_warning(page: WorkerPage, caplog: pytest.LogCaptureFixture):
    second = WorkerPage("127.0.0.1", page._port)
    with caplog.at_level(logging.WARNING):
        second.start()
    assert "give each worker a WORKER_METRICS_PORT of its own, or 0 for none" in caplog.text
    second.stop()
    assert get(page._port)[0] == 200


def test_an_ended_page_frees_its_port(page: WorkerPage):
    page.stop()
    again = WorkerPage("127.0.0.1", page._port)
    again.start()
    assert get(page._port)[0] == 200
    again.stop()


def test_port_0_serves_nothing():
    nowhere = WorkerPage("127.0.0.1", 0)
    nowhere.start()
    assert nowhere._server is None
