"""No page and no reply is kept by a cache, unless it says itself that it may be."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User

JSON = {"content_type": "application/json"}


@pytest.fixture
def client(db: None) -> Client:
    """An administrator's browser."""
    user = User.objects.create_user("ada", password="ada-password", is_staff=True)
    user.groups.set(Group.objects.filter(name="administrator"))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/account",
        "/account/sessions",
        "/account/password",
        "/console/",
        "/console/audit",
        "/console/audit.csv",
        "/admin/",
        "/admin/accounts/user/",
        "/api/session",
        "/api/schema",
        "/api/docs",
        "/login",
        "/health",
        "/metrics",
        "/nowhere",
        "/upload",
    ],
)
def test_nothing_that_is_asked_for_is_stored(client: Client, path: str):
    response = client.get(path, headers={"Accept": "text/html"})
    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/token", 201), ("/api/token/refresh", 400), ("/api/webrtc/offer", 401)],
)
def test_no_reply_of_the_api_is(client: Client, path: str, status: int):
    response = client.post(path, "{}", **JSON)
    assert response.status_code == status
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("anonymous", [True, False])
def test_no_refusal_is(client: Client, anonymous: bool):
    asker = Client() if anonymous else client
    picture = asker.post("/login", b"\xff\xd8\xff", content_type="image/jpeg")
    forged = Client(enforce_csrf_checks=True).post("/login", "", content_type="text/plain")
    foreign = asker.get("/", headers={"Host": "evil.example"})
    for response, status in ((picture, 403), (forged, 403), (foreign, 400)):
        assert response.status_code == status
        assert "no-store" in response["Cache-Control"]


def test_an_error_is_not(client: Client, monkeypatch: pytest.MonkeyPatch):
    client.raise_request_exception = False
    monkeypatch.setattr("qwencam_site.views.current", lambda: 1 / 0)
    response = client.get("/", headers={"Accept": "text/html"})
    assert response.status_code == 500
    assert "no-store" in response["Cache-Control"]
