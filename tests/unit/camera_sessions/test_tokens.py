"""Session tokens and who they let in.

Guards against: a token of another kind or key taken for a session token, a refresh token used
twice, tokens that outlive their session, a token that names another user.
"""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.models import User
from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.authentication import (
    CameraSessionAuthentication,
    authenticate_token,
    session_of,
)
from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.tokens import SessionAccessToken
from apps.contract import Refusal
from tests.unit.camera_sessions.worlds import LIMITS, unused_for


def refusal_of(call, *arguments) -> str:
    with pytest.raises(Refusal) as refusal:
        call(*arguments)
    return refusal.value.code


def claims_in(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def signed(settings, **changes) -> str:
    """An access token with `changes` to the claims of a good one."""
    token = SessionAccessToken()
    claims = {**token.payload, **changes}
    return jwt.encode(claims, settings.JWT_SECRET_KEY, algorithm="HS256")


def test_a_pair_names_its_session_and_its_user(session, owner):
    pair = tokens.issue(session)
    claims = tokens.read_access(pair.access)
    assert claims.session_id == session.pk
    assert claims.user_id == str(owner.pk)
    assert tokens.read_refresh(pair.refresh).token_id == session.refresh_id
    assert pair.expires_in == 15 * 60


def test_an_anonymous_pair_names_no_user(db):
    session = lifecycle.open_session(None, address=None, limits=LIMITS)
    access = tokens.issue(session).access
    assert "user_id" not in claims_in(access)
    assert session_of(access) == session


def test_the_kinds_are_not_interchangeable(session):
    pair = tokens.issue(session)
    login = AccessToken()
    login["sid"] = str(session.pk)
    assert refusal_of(tokens.read_access, pair.refresh) == "not_authenticated"
    assert refusal_of(tokens.read_refresh, pair.access) == "not_authenticated"
    assert refusal_of(tokens.read_access, str(login)) == "not_authenticated"


@pytest.mark.parametrize("junk", ["", "x", "a.b.c", "é.ü.ß", "\x00", "e" * 100_000])
def test_junk_is_no_token(junk):
    assert refusal_of(tokens.read_access, junk) == "not_authenticated"


def test_an_altered_token_is_refused(session):
    head, _, signature = tokens.issue(session).access.split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"sid": str(session.pk)}).encode()).decode()
    assert refusal_of(tokens.read_access, f"{head}.{forged.rstrip('=')}.{signature}") == (
        "not_authenticated"
    )


def test_an_unsigned_token_is_refused(session):
    claims = claims_in(tokens.issue(session).access)
    unsigned = jwt.encode(claims, None, algorithm="none")
    assert refusal_of(tokens.read_access, unsigned) == "not_authenticated"


def test_a_token_signed_with_the_cookie_key_is_refused(session, settings):
    claims = claims_in(tokens.issue(session).access)
    other = jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")
    assert refusal_of(tokens.read_access, other) == "not_authenticated"


@pytest.mark.parametrize(
    "changes", [{}, {"sid": None}, {"sid": 7}, {"sid": "x"}, {"sid": ["a"]}, {"exp": 1}]
)
def test_odd_claims_are_refused(settings, changes):
    assert refusal_of(tokens.read_access, signed(settings, **changes)) == "not_authenticated"


def test_a_token_opens_its_own_session_only(session, strangers_session):
    assert session_of(tokens.issue(session).access) == session
    assert session_of(tokens.issue(strangers_session).access) == strangers_session


def test_a_token_that_names_another_user_is_refused(session, stranger, settings):
    crossed = signed(settings, sid=str(session.pk), user_id=str(stranger.pk))
    nobody = signed(settings, sid=str(session.pk))
    assert refusal_of(session_of, crossed) == "not_authenticated"
    assert refusal_of(session_of, nobody) == "not_authenticated"


def test_the_tokens_of_an_ended_session_are_refused(session, strangers_session):
    pair = tokens.issue(session)
    lifecycle.end_session(session.pk, reason=EndReason.USER)
    assert refusal_of(session_of, pair.access) == "session_ended"
    assert session_of(tokens.issue(strangers_session).access) == strangers_session


def test_the_tokens_of_an_idle_session_are_refused_before_the_sweep(session, settings):
    unused_for(session, seconds=settings.SESSION_IDLE_SECONDS + 1)
    assert refusal_of(session_of, tokens.issue(session).access) == "session_ended"


def test_the_tokens_of_a_deleted_or_disabled_user_are_refused(session, owner):
    pair = tokens.issue(session)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert refusal_of(session_of, pair.access) == "session_ended"
    owner.delete()
    assert refusal_of(session_of, pair.access) == "session_ended"


def test_using_a_session_keeps_it_alive(session):
    unused_for(session, seconds=20)
    session_of(tokens.issue(session).access)
    age = timezone.now() - CameraSession.objects.get(pk=session.pk).last_active_at
    assert age < timedelta(seconds=5)


def test_a_refresh_id_is_spent_once(session):
    spent = session.refresh_id
    late = CameraSession.objects.get(pk=session.pk)
    assert lifecycle.rotate_refresh(session, spent=spent, idle_seconds=3600)
    assert session.refresh_id != spent
    assert not lifecycle.rotate_refresh(late, spent=spent, idle_seconds=3600)
    assert CameraSession.objects.get(pk=session.pk).refresh_id == session.refresh_id


def test_an_ended_session_rotates_nothing(session):
    lifecycle.end_session(session.pk, reason=EndReason.USER)
    assert not lifecycle.rotate_refresh(session, spent=session.refresh_id, idle_seconds=3600)


def authenticate(header: str | None):
    headers = {} if header is None else {"Authorization": header}
    request = Request(RequestFactory().get("/", headers=headers))
    return CameraSessionAuthentication().authenticate(request)


def test_a_bearer_header_sets_user_and_session(session, owner):
    assert authenticate(f"bearer {tokens.issue(session).access}") == (owner, session)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer"])
def test_other_headers_are_not_ours(header):
    if header == "Bearer":
        with pytest.raises(Refusal, match="token is not valid"):
            authenticate(header)
    else:
        assert authenticate(header) is None


@pytest.mark.django_db(transaction=True)
async def test_the_socket_authenticates_without_blocking_the_loop():
    user = await User.objects.acreate(username="owner")
    session = await CameraSession.objects.acreate(user=user)
    found = await authenticate_token(tokens.issue(session).access)
    assert found == session
    assert found.user == user
    with pytest.raises(Refusal, match="token is not valid"):
        await authenticate_token("junk")
