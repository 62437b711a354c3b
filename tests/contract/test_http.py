"""Every HTTP route of the public contract, asked of a running platform."""

from collections.abc import Iterator

import httpx
import pytest

from tests.stack import Stack


@pytest.fixture
def http(light_stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=light_stack.url, timeout=10) as client:
        yield client


def bearer(token: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['access']}"}


def test_home_greets_a_program(http: httpx.Client):
    reply = http.get("/", headers={"Accept": "application/json"})
    assert reply.status_code == 200
    body = reply.json()
    assert body["status"] == "ok"
    assert body["service"] == "qwencam"
    assert body["version"]


def test_home_sends_a_stranger_to_the_login(http: httpx.Client):
    reply = http.get("/", headers={"Accept": "text/html"})
    assert reply.status_code == 302
    assert reply.headers["Location"] == "/login?next=/"


def test_the_login_page_has_its_two_inputs_and_a_strict_policy(http: httpx.Client):
    reply = http.get("/login")
    assert reply.status_code == 200
    assert 'name="username"' in reply.text
    assert 'name="password"' in reply.text
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_health_names_every_part(http: httpx.Client, light_stack: Stack):
    light_stack.wait_for_health("ok", patience=30)
    reply = http.get("/health")
    assert reply.status_code == 200
    body = reply.json()
    assert body["status"] == "ok"
    assert set(body["checks"]) == {"database", "redis", "workers", "vllm"}
    for check in body["checks"].values():
        assert set(check) == {"status", "latency_ms", "detail"}


def test_metrics_are_served_to_this_host(http: httpx.Client):
    reply = http.get("/metrics")
    assert reply.status_code == 200
    assert "qwencam_questions_total" in reply.text
    assert "django_http_requests_total_by_method_total" in reply.text


def test_the_schema_lists_the_api(http: httpx.Client):
    body = http.get("/api/schema").json()
    assert body["openapi"].startswith("3.")
    for path in ("/api/token", "/api/token/refresh", "/api/session", "/api/webrtc/offer"):
        assert path in body["paths"]


def test_a_token_opens_a_session(light_stack: Stack):
    token = light_stack.token()
    assert set(token) == {
        "access",
        "refresh",
        "session_id",
        "expires_in",
        "ws_url",
        "ice_servers",
    }
    host = light_stack.url.removeprefix("http")
    assert token["ws_url"] == f"ws{host}/ws/{token['session_id']}"
    assert token["expires_in"] > 60


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "demo", "password": "wrong"}, 401, "invalid_credentials"),
        ({"username": "nobody", "password": "wrong"}, 401, "invalid_credentials"),
        ({"username": 5, "password": []}, 400, "bad_request"),
        ([], 400, "bad_request"),
        ({}, 401, "not_authenticated"),
    ],
)
def test_a_token_needs_the_right_password(http: httpx.Client, body: object, status: int, code: str):
    reply = http.post("/api/token", json=body)
    assert (reply.status_code, reply.json()["error"]) == (status, code)
    assert reply.json()["detail"].endswith(".")


def test_what_is_not_json_is_said_to_be_none(http: httpx.Client):
    reply = http.post("/api/token", content=b"{", headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]) == (400, "bad_json")


def test_a_refresh_token_is_good_once(http: httpx.Client, light_stack: Stack):
    token = light_stack.token()
    first = http.post("/api/token/refresh", json={"refresh": token["refresh"]})
    assert first.status_code == 200
    assert http.get("/api/session", headers=bearer(first.json())).status_code == 200
    again = http.post("/api/token/refresh", json={"refresh": token["refresh"]})
    assert (again.status_code, again.json()["error"]) == (401, "not_authenticated")


def test_a_session_can_be_looked_at_and_ended(http: httpx.Client, light_stack: Stack):
    token = light_stack.token()
    session = http.get("/api/session", headers=bearer(token)).json()
    assert session["session_id"] == token["session_id"]
    assert session["state"] == "live"
    assert {"limits", "counters"} <= set(session)
    assert http.delete("/api/session", headers=bearer(token)).status_code == 204
    for attempt in (
        http.get("/api/session", headers=bearer(token)),
        http.post("/api/token/refresh", json={"refresh": token["refresh"]}),
        http.post("/api/webrtc/offer", json={"sdp": "x", "type": "offer"}, headers=bearer(token)),
    ):
        assert (attempt.status_code, attempt.json()["error"]) == (401, "session_ended")


@pytest.mark.parametrize("path", ["/api/session", "/api/webrtc/offer"])
def test_no_token_no_entry(http: httpx.Client, path: str):
    method = "GET" if path == "/api/session" else "POST"
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        reply = http.request(method, path, headers=headers, json={"sdp": "x", "type": "offer"})
        assert (reply.status_code, reply.json()["error"]) == (401, "not_authenticated")


def test_a_refresh_token_is_no_access_token(http: httpx.Client, light_stack: Stack):
    token = light_stack.token()
    reply = http.get("/api/session", headers={"Authorization": f"Bearer {token['refresh']}"})
    assert (reply.status_code, reply.json()["error"]) == (401, "not_authenticated")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/upload", "/upload/", "/upload/a/b", "/api/upload", "/api/uploads/x"]
)
def test_upload_routes_are_forbidden(http: httpx.Client, method: str, path: str):
    reply = http.request(method, path)
    assert (reply.status_code, reply.json()["error"]) == (403, "uploads_forbidden")


@pytest.mark.parametrize("path", ["/", "/login", "/api/token", "/api/webrtc/offer", "/nowhere"])
def test_a_file_is_forbidden_everywhere(http: httpx.Client, path: str):
    form = http.post(path, files={"photo": ("a.jpg", b"\xff\xd8\xff", "image/jpeg")})
    assert (form.status_code, form.json()["error"]) == (403, "uploads_forbidden")
    for kind in ("image/jpeg", "video/mp4", "application/octet-stream"):
        raw = http.put(path, content=b"\xff\xd8\xff", headers={"Content-Type": kind})
        assert (raw.status_code, raw.json()["error"]) == (403, "uploads_forbidden")


def test_an_unknown_api_route_says_so(http: httpx.Client):
    reply = http.get("/api/nowhere")
    assert reply.status_code == 404


def test_a_route_names_the_methods_it_takes(http: httpx.Client):
    reply = http.get("/api/token")
    assert (reply.status_code, reply.json()["error"]) == (405, "method_not_allowed")
