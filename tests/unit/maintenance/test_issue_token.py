"""`manage.py issue_token`: a session and its tokens, as the API would have given them."""

import json

import pytest

from apps.camera_sessions import tokens
from apps.camera_sessions.models import CameraSession
from apps.live_settings.changes import change_setting


def test_the_tokens_are_good_for_a_session_of_that_user(run, owner):
    told = json.loads(run("issue_token", "--user", "owner", "--json").out)
    assert set(told) == {
        "access",
        "refresh",
        "expires_in",
        "session_id",
        "ws_url",
        "ice_servers",
    }
    session = CameraSession.objects.get()
    assert session.user == owner
    claims = tokens.read_access(told["access"])
    assert str(claims.session_id) == told["session_id"] == str(session.pk)
    assert tokens.read_refresh(told["refresh"]).token_id == session.refresh_id


def test_for_people_it_is_lines(run, owner):
    lines = dict(line.split() for line in run("issue_token", "--user", "owner").out.splitlines())
    assert lines["session_id"] == str(CameraSession.objects.get().pk)
    assert tokens.read_access(lines["access"])


@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("https://camera.example.org", "wss://camera.example.org"),
        ("http://127.0.0.1:9000/", "ws://127.0.0.1:9000"),
    ],
)
def test_the_socket_is_where_the_platform_is(run, owner, base, socket):
    told = json.loads(run("issue_token", "--user", "owner", "--base-url", base, "--json").out)
    assert told["ws_url"] == f"{socket}/ws/{told['session_id']}"


def test_an_address_that_is_none(run, owner):
    assert "is no address" in run("issue_token", "--user", "owner", "--base-url", "camera").error


def test_limits_hold(run, owner):
    change_setting("accept_sessions", False, actor=None)
    ran = run("issue_token", "--user", "owner")
    assert ran.code == 1
    assert "(draining)" in ran.error
    assert not CameraSession.objects.exists()


def test_nobody_and_the_disabled_get_none(run, owner):
    assert run("issue_token", "--user", "nobody").code == 1
    owner.is_active = False
    owner.save()
    assert run("issue_token", "--user", "owner").error == "The user 'owner' is disabled."
    assert not CameraSession.objects.exists()
