"""POST /api/webrtc/offer, through daphne's own protocol and Django's real middleware.

Guards: the peer lives on the server's event loop (a stream answered on another loop would die
with the request); only the token's own session is answered; errors are codes and sentences.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.core.asgi import get_asgi_application

from apps.camera_sessions import tokens
from apps.camera_sessions.lifecycle import end_session
from apps.camera_sessions.models import CameraSession, EndReason
from apps.streaming.config import MediaConfig
from apps.streaming.host import MediaHost
from tests.unit.streaming.camera import Camera, stand_in_offer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def host() -> AsyncIterator[MediaHost]:
    media = MediaHost(MediaConfig())
    yield media
    await media.aclose()


@pytest.fixture(autouse=True)
def _static_root(settings, tmp_path) -> None:
    settings.STATIC_ROOT = str(tmp_path)


@pytest.fixture
async def session() -> CameraSession:
    return await database_sync_to_async(CameraSession.objects.create)()


async def post(
    host: MediaHost, body: object, *, token: str = "", raw: bytes | None = None
) -> tuple[int, dict[str, str]]:
    """Status and JSON body of one request."""
    content = raw if raw is not None else json.dumps(body).encode()
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    if token:
        headers.append((b"authorization", b"Bearer " + token.encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/webrtc/offer",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 80),
        "media_host": host,
    }
    communicator = ApplicationCommunicator(get_asgi_application(), scope)
    await communicator.send_input({"type": "http.request", "body": content})
    start = await communicator.receive_output(10)
    text = b""
    while True:
        message = await communicator.receive_output(10)
        text += message.get("body", b"")
        if not message.get("more_body"):
            break
    await communicator.wait(5)
    return start["status"], json.loads(text)


def access(session: CameraSession) -> str:
    return tokens.issue(session).access


async def test_an_offer_is_answered_and_the_stream_outlives_its_request(
    host: MediaHost, session: CameraSession
):
    async with Camera() as camera:
        offer = {"sdp": await camera.offer(), "type": "offer"}
        status, reply = await post(host, offer, token=access(session))
        assert (status, reply["type"]) == (200, "answer")
        await camera.take_answer(reply["sdp"])
        peer = host.require(str(session.pk))
        assert peer._loop is asyncio.get_running_loop()
        for _ in range(3):
            frame = await peer.capture(max_age=0.1, timeout=5.0)
            assert frame.width == 320


async def test_without_a_token_nothing_is_answered(host: MediaHost):
    status, reply = await post(host, {"sdp": await stand_in_offer(), "type": "offer"})
    assert (status, reply["error"]) == (401, "not_authenticated")
    assert len(host) == 0


async def test_an_ended_session_is_not_answered(host: MediaHost, session: CameraSession):
    token = access(session)
    await database_sync_to_async(end_session)(session.pk, reason=EndReason.USER)
    status, reply = await post(host, {"sdp": await stand_in_offer(), "type": "offer"}, token=token)
    assert (status, reply["error"]) == (401, "session_ended")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sdp": "garbage", "type": "offer"}, 400, "offer_invalid"),
        ({"sdp": "v=0\r\n" + "a=x\r\n" * 20_000, "type": "offer"}, 413, "offer_too_large"),
        ({"sdp": "v=0", "type": "answer"}, 400, "bad_request"),
        ({"sdp": 5, "type": "offer"}, 400, "bad_request"),
        ({"type": "offer"}, 400, "bad_request"),
        ([], 400, "bad_request"),
    ],
)
async def test_refusals_are_codes_and_sentences(
    host: MediaHost, session: CameraSession, body: object, status: int, code: str
):
    answered, reply = await post(host, body, token=access(session))
    assert (answered, reply["error"]) == (status, code)
    assert reply["detail"].endswith(".")


async def test_broken_json_is_told_as_such(host: MediaHost, session: CameraSession):
    status, reply = await post(host, None, token=access(session), raw=b"{")
    assert (status, reply["error"]) == (400, "bad_json")


async def test_audio_is_refused(host: MediaHost, session: CameraSession):
    offer = (await stand_in_offer()).replace("m=video", "m=audio")
    status, reply = await post(host, {"sdp": offer, "type": "offer"}, token=access(session))
    assert (status, reply["error"]) == (400, "audio_refused")


async def test_a_host_that_stops_is_a_503(host: MediaHost, session: CameraSession):
    await host.aclose()
    offer = {"sdp": await stand_in_offer(), "type": "offer"}
    status, reply = await post(host, offer, token=access(session))
    assert (status, reply["error"]) == (503, "stream_failed")
