"""The session API over HTTP.

Guards against: sessions without login, forged requests from other sites, credentials tried by
the thousand, replies that tell which usernames exist, tokens that go on after the end, one user
reading or ending another's session, errors that are not JSON.
"""

import base64
import hashlib
import hmac
import json
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from prometheus_client import REGISTRY

from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.throttling import TokenThrottle
from tests.unit.camera_sessions.worlds import unused_for

OWNER = {"username": "owner", "password": "owner-password"}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


def post(client, path, body=None, **headers):
    content = body if isinstance(body, str | bytes) else json.dumps(body or {})
    return client.post(path, content, content_type="application/json", headers=headers)


def bearer(session) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(session).access}"}


def assert_refused(response, status, code) -> str:
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert body.keys() == {"error", "detail"}
    assert body["error"] == code
    assert body["detail"]
    return body["detail"]


# --- Opening ----------------------------------------------------------------------------------


def test_a_login_cookie_opens_a_session(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    client.cookies["csrftoken"] = "c" * 32
    response = post(client, "/api/token", **{"X-CSRFToken": "c" * 32})
    assert response.status_code == 201
    body = response.json()
    assert body.keys() == {
        "access",
        "refresh",
        "session_id",
        "expires_in",
        "ws_url",
        "ice_servers",
    }
    session = CameraSession.objects.get(pk=body["session_id"])
    assert session.user == owner
    assert session.address == "127.0.0.1"
    assert body["ws_url"] == f"ws://testserver/ws/{session.pk}"
    assert body["expires_in"] == 900
    assert tokens.read_access(body["access"]).session_id == session.pk


def test_a_cookie_alone_is_not_enough(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert_refused(post(client, "/api/token"), 403, "forbidden")
    assert not CameraSession.objects.exists()


def test_credentials_open_a_session(owner, client):
    before = REGISTRY.get_sample_value("qwencam_tokens_issued_total", {"how": "password"}) or 0
    response = post(client, "/api/token", OWNER)
    assert response.status_code == 201
    assert CameraSession.objects.get().user == owner
    after = REGISTRY.get_sample_value("qwencam_tokens_issued_total", {"how": "password"})
    assert after == before + 1
    assert "sessionid" not in response.cookies


def test_without_either_the_door_stays_shut(db, client):
    response = post(client, "/api/token")
    assert_refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_without_either_where_no_login_is_required(db, client, settings):
    settings.REQUIRE_AUTH = False
    assert post(client, "/api/token").status_code == 201
    assert CameraSession.objects.get().user is None
    assert client.generic("POST", "/api/token", content_type="").status_code == 201  # no body


def test_wrong_credentials_are_wrong_even_where_no_login_is_required(db, client, settings):
    settings.REQUIRE_AUTH = False
    refused = post(client, "/api/token", {"username": "nobody", "password": "x"})
    assert_refused(refused, 401, "invalid_credentials")


def test_a_refusal_does_not_tell_which_usernames_exist(owner, client):
    owner.is_active = False
    answers = {
        assert_refused(
            post(client, "/api/token", {"username": name, "password": password}),
            401,
            "invalid_credentials",
        )
        for name, password in [("owner", "wrong"), ("nobody", "wrong"), ("OWNER ", "x")]
    }
    owner.save()
    answers.add(assert_refused(post(client, "/api/token", OWNER), 401, "invalid_credentials"))
    assert len(answers) == 1


def test_another_site_opens_nothing(db, client, settings):
    settings.REQUIRE_AUTH = False
    refused = post(client, "/api/token", **{"Sec-Fetch-Site": "cross-site"})
    assert_refused(refused, 403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "7",
        '"x"',
        {"username": "owner"},
        {"password": "x"},
        {"username": 7, "password": "x"},
        {"username": "owner", "password": ["x"]},
        {"username": "owner", "password": None},
        {"username": "o" * 151, "password": "x"},
        {"username": "owner", "password": "x" * 1025},
        {"username": "ow\x00ner", "password": "x"},
        {"username": "", "password": ""},
    ],
)
def test_odd_bodies_are_bad_requests(db, client, body):
    assert_refused(post(client, "/api/token", body), 400, "bad_request")


@pytest.mark.parametrize("body", ["{", "{'a': 1}", b"\xff\xfe", '{"username": NaN}', "[" * 50_000])
def test_what_is_no_json_is_bad_json(db, client, body):
    assert_refused(post(client, "/api/token", body), 400, "bad_json")


@pytest.mark.parametrize("path", ["/api/token", "/api/token/refresh"])
def test_a_large_body_is_not_read(db, client, path):
    assert_refused(post(client, path, " " * 65_537), 413, "message_too_large")


def test_a_form_is_no_json(db, client):
    response = client.post(
        "/api/token", "username=owner", content_type="application/x-www-form-urlencoded"
    )
    assert_refused(response, 415, "bad_request")


def test_other_methods_are_told_so(db, client):
    response = client.get("/api/token")
    assert_refused(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_failed_logins_lock_out_but_not_the_stranger(owner, stranger, client, settings):
    wrong = {**OWNER, "password": "wrong"}
    for _ in range(settings.LOGIN_FAILURE_LIMIT - 1):
        assert_refused(post(client, "/api/token", wrong), 401, "invalid_credentials")
    assert_refused(post(client, "/api/token", wrong), 429, "rate_limited")
    refused = post(client, "/api/token", OWNER)
    assert_refused(refused, 429, "rate_limited")
    assert 290 <= int(refused["Retry-After"]) <= 300
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    strangers = {"username": "stranger", "password": "stranger-password"}
    assert post(elsewhere, "/api/token", strangers).status_code == 201
    assert post(elsewhere, "/api/token", OWNER).status_code == 201


def test_requests_for_tokens_are_slowed_down(db, client, monkeypatch):
    monkeypatch.setattr(TokenThrottle, "rate", "2/min", raising=False)
    for _ in range(2):
        assert_refused(post(client, "/api/token"), 401, "not_authenticated")
    refused = post(client, "/api/token")
    assert "try again in" in assert_refused(refused, 429, "rate_limited")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_refreshes_are_slowed_down_apart(db, client, monkeypatch):
    monkeypatch.setattr(TokenThrottle, "rate", "2/min", raising=False)
    for _ in range(2):
        refused = post(client, "/api/token/refresh", {"refresh": "x"})
        assert_refused(refused, 401, "not_authenticated")
    refused = post(client, "/api/token/refresh", {"refresh": "x"})
    assert_refused(refused, 429, "rate_limited")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert_refused(post(client, "/api/token"), 401, "not_authenticated")


def test_a_forwarded_header_is_not_believed(db, client, monkeypatch):
    monkeypatch.setattr(TokenThrottle, "rate", "1/min", raising=False)
    for number, status in [(1, 401), (2, 429)]:
        response = post(client, "/api/token", **{"X-Forwarded-For": f"198.51.100.{number}"})
        assert response.status_code == status


def test_limits_have_codes_of_their_own(owner, stranger, client, settings):
    settings.MAX_SESSIONS_PER_USER = 1
    settings.MAX_SESSIONS = 2
    assert post(client, "/api/token", OWNER).status_code == 201
    assert_refused(post(client, "/api/token", OWNER), 429, "user_session_limit")
    strangers = {"username": "stranger", "password": "stranger-password"}
    assert post(client, "/api/token", strangers).status_code == 201
    settings.MAX_SESSIONS_PER_USER = 5
    assert_refused(post(client, "/api/token", OWNER), 503, "session_limit")


def test_over_https_the_socket_is_secure(owner, client, settings):
    body = client.post("/api/token", OWNER, content_type="application/json", secure=True).json()
    assert body["ws_url"].startswith("wss://testserver/ws/")


def test_a_forwarded_scheme_counts_only_where_the_operator_says_so(owner, client, settings):
    forwarded = {"X-Forwarded-Proto": "https"}
    assert post(client, "/api/token", OWNER, **forwarded).json()["ws_url"].startswith("ws://")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert post(client, "/api/token", OWNER, **forwarded).json()["ws_url"].startswith("wss://")


def test_turn_servers_come_with_credentials_of_the_session(owner, client, settings):
    settings.TURN_SECRET = "shared"
    settings.ICE_SERVERS = [
        {"urls": "stun:stun.example.org"},
        {"urls": ["turn:turn.example.org", "turns:turn.example.org:5349"]},
    ]
    body = post(client, "/api/token", OWNER).json()
    stun, turn = body["ice_servers"]
    assert stun == {"urls": "stun:stun.example.org"}
    expiry, session_id = turn["username"].split(":")
    assert session_id == body["session_id"]
    assert int(expiry) > 0
    digest = hmac.new(b"shared", turn["username"].encode(), hashlib.sha1).digest()
    assert turn["credential"] == base64.b64encode(digest).decode()


# --- Refreshing -------------------------------------------------------------------------------


def test_a_refresh_token_is_good_once(session, client):
    pair = tokens.issue(session)
    body = post(client, "/api/token/refresh", {"refresh": pair.refresh}).json()
    assert body.keys() == {"access", "refresh", "expires_in"}
    assert tokens.read_access(body["access"]).session_id == session.pk
    again = post(client, "/api/token/refresh", {"refresh": pair.refresh})
    assert_refused(again, 401, "not_authenticated")
    assert post(client, "/api/token/refresh", {"refresh": body["refresh"]}).status_code == 200


def test_an_expired_access_token_beside_it_does_not_matter(session, client):
    pair = tokens.issue(session)
    headers = {"Authorization": "Bearer expired"}
    response = post(client, "/api/token/refresh", {"refresh": pair.refresh}, **headers)
    assert response.status_code == 200


def test_an_ended_session_refreshes_nothing(session, client):
    pair = tokens.issue(session)
    lifecycle.end_session(session.pk, reason=EndReason.OPERATOR)
    refused = post(client, "/api/token/refresh", {"refresh": pair.refresh})
    assert_refused(refused, 401, "session_ended")


def test_an_idle_session_refreshes_nothing(session, client, settings):
    unused_for(session, seconds=settings.SESSION_IDLE_SECONDS + 1)
    refused = post(client, "/api/token/refresh", {"refresh": tokens.issue(session).refresh})
    assert_refused(refused, 401, "session_ended")


@pytest.mark.parametrize("refresh", ["x", "a.b.c"])
def test_junk_refreshes_nothing(db, client, refresh):
    refused = post(client, "/api/token/refresh", {"refresh": refresh})
    assert_refused(refused, 401, "not_authenticated")


@pytest.mark.parametrize("body", [{}, {"refresh": 7}, {"refresh": None}, {"refresh": "x" * 5000}])
def test_a_refresh_needs_a_token(db, client, body):
    assert_refused(post(client, "/api/token/refresh", body), 400, "bad_request")


def test_an_access_token_refreshes_nothing(session, client):
    refused = post(client, "/api/token/refresh", {"refresh": tokens.issue(session).access})
    assert_refused(refused, 401, "not_authenticated")


# --- Looking and ending -----------------------------------------------------------------------


def test_a_token_shows_its_own_session(session, strangers_session, client, settings):
    lifecycle.count(session.pk, questions=2, answers=1)
    body = client.get("/api/session", headers=bearer(session)).json()
    assert body["session_id"] == str(session.pk)
    assert body["state"] == "live"
    assert body["user"] == "owner"
    assert body["counters"] == {"questions": 2, "answers": 1, "errors": 0, "frames": 0}
    assert body["limits"]["question_chars"] == settings.MAX_QUESTION_CHARS
    assert 3590 <= body["expires_in"] <= 3600
    theirs = client.get("/api/session", headers=bearer(strangers_session)).json()
    assert (theirs["session_id"], theirs["user"]) == (str(strangers_session.pk), "stranger")
    assert theirs["counters"]["questions"] == 0


def test_without_a_token_there_is_nothing_to_see(session, owner, client):
    response = client.get("/api/session")
    assert_refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"
    client.force_login(owner)  # a login is no session token
    assert_refused(client.get("/api/session"), 401, "not_authenticated")
    assert_refused(client.delete("/api/session"), 401, "not_authenticated")


def test_deleting_ends_ones_own_session(session, strangers_session, client, commits, ended):
    headers = bearer(session)
    with commits(execute=True):
        response = client.delete("/api/session", headers=headers)
    assert response.status_code == 204
    assert ended == [(session.pk, EndReason.USER)]
    assert_refused(client.get("/api/session", headers=headers), 401, "session_ended")
    assert_refused(client.delete("/api/session", headers=headers), 401, "session_ended")
    assert client.get("/api/session", headers=bearer(strangers_session)).status_code == 200


def test_a_token_of_no_session(db, client):
    ghost = CameraSession(pk=uuid4())
    assert_refused(client.get("/api/session", headers=bearer(ghost)), 401, "session_ended")


# --- All of it --------------------------------------------------------------------------------


def test_the_unforeseen_is_told_without_details(session, client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("the camera saw a cat")

    monkeypatch.setattr(lifecycle, "end_session", fail)
    detail = assert_refused(
        client.delete("/api/session", headers=bearer(session)), 500, "internal_error"
    )
    assert "cat" not in detail
    assert "SessionView" in caplog.text


def test_the_schema_tells_every_route(db, client):
    schema = client.get("/api/schema").json()
    assert {"get", "delete"} <= schema["paths"]["/api/session"].keys()
    for path, status in [("/api/token", "201"), ("/api/token/refresh", "200")]:
        operation = schema["paths"][path]["post"]
        assert status in operation["responses"]
        assert "requestBody" in operation


def test_staff_may_look_at_sessions_in_the_admin_and_others_may_not(session, stranger, client):
    page = f"/admin/camera_sessions/camerasession/{session.pk}/change/"
    client.force_login(stranger)
    assert client.get(page).status_code == 302
    stranger.is_staff = True
    stranger.save()
    response = client.get(page)
    assert response.status_code == 200
    assert session.refresh_id not in response.content.decode()
    assert client.post(page, {}).status_code == 403
    assert client.get("/admin/camera_sessions/camerasession/").status_code == 200
