"""An owner and a stranger, each with a live camera session."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from apps.accounts.models import User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from apps.camera_sessions.signals import session_ended
from tests.unit.camera_sessions.worlds import LIMITS


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner", password="owner-password")


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("stranger", password="stranger-password")


@pytest.fixture
def session(owner) -> CameraSession:
    return lifecycle.open_session(owner, address="192.0.2.1", limits=LIMITS)


@pytest.fixture
def strangers_session(stranger) -> CameraSession:
    return lifecycle.open_session(stranger, address="192.0.2.2", limits=LIMITS)


@pytest.fixture
def ended() -> Iterator[list[tuple[UUID, EndReason]]]:
    """What `session_ended` said, in order."""
    heard: list[tuple[UUID, EndReason]] = []

    def hear(*, ending, **_) -> None:
        heard.append((ending.session_id, ending.reason))

    session_ended.connect(hear)
    yield heard
    session_ended.disconnect(hear)


@pytest.fixture
def commits(django_capture_on_commit_callbacks, redis_server):
    """`with commits(execute=True):` runs at its end what awaits the commit.

    With a Redis, as that tells sockets: without one each end would wait for it.
    """
    return django_capture_on_commit_callbacks
