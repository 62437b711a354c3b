"""A camera user, a stranger, and one member of each of the console's groups."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession
from apps.console.models import AuditEntry
from tests.unit.camera_sessions.worlds import LIMITS


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def session(owner) -> CameraSession:
    return lifecycle.open_session(owner, address="192.0.2.1", limits=LIMITS)


def member(group: str) -> User:
    user = User.objects.create_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def viewer(db) -> User:
    return member("viewer")


@pytest.fixture
def operator(db) -> User:
    return member("operator")


@pytest.fixture
def administrator(db) -> User:
    return member("administrator")


@pytest.fixture
def browse():
    """`browse(user)`: a browser in which that user is logged in."""

    def logged_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture
def entries():
    """`entries(kind)`: what the audit has of that kind, oldest first."""

    def of(kind: str) -> list[AuditEntry]:
        return list(AuditEntry.objects.filter(kind=kind).order_by("pk"))

    return of
