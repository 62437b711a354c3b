"""A platform that requires no login: sessions for everybody, so many for one address."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.stand_in_model import Script, StandInModel
from tests.camera_client import CameraClient
from tests.scenes import picture
from tests.stack import Stack

PLACES = 2


@pytest.fixture(scope="module")
def open_stack(stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("open") / "data",
        VLLM_BASE_URL=stand_in.base_url,
        REQUIRE_AUTH="false",
        MAX_SESSIONS_PER_ADDRESS=str(PLACES),
    )
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture
def http(open_stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_stack.url, timeout=10) as client:
        yield client


def end(http: httpx.Client, token: dict) -> None:
    headers = {"Authorization": f"Bearer {token['access']}"}
    assert http.delete("/api/session", headers=headers).status_code == 204


def test_pages_need_no_login_but_accounts_do(http: httpx.Client):
    assert http.get("/", headers={"Accept": "text/html"}).status_code == 200
    assert http.get("/api/docs").status_code == 200
    assert http.get("/account/sessions").status_code == 302


def test_one_address_has_so_many_sessions(http: httpx.Client):
    tokens = [http.post("/api/token", json={}) for _ in range(PLACES)]
    assert [reply.status_code for reply in tokens] == [201] * PLACES
    refused = http.post("/api/token", json={})
    assert (refused.status_code, refused.json()["error"]) == (429, "address_session_limit")
    assert str(PLACES) in refused.json()["detail"]
    # Somebody with an account has a place of their own.
    demo = {"username": "demo", "password": "a-long-test-password"}
    known = http.post("/api/token", json=demo)
    assert known.status_code == 201
    end(http, tokens[0].json())
    again = http.post("/api/token", json={})
    assert again.status_code == 201
    for reply in (tokens[1], again, known):
        end(http, reply.json())


async def test_an_anonymous_session_is_answered(open_stack: Stack, script: Script):
    token = httpx.post(f"{open_stack.url}/api/token", json={}).json()
    async with CameraClient(open_stack.url, token) as camera:
        await camera.start_camera(picture("red circle middle"))
        response = await camera.ask("What do you see?")
        assert response["text"] == "".join(script.tokens)
    httpx.delete(
        f"{open_stack.url}/api/session", headers={"Authorization": f"Bearer {token['access']}"}
    )
