"""An owner and a stranger, and what `account_changed` tells of them."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, account_changed
from tests.form_client import FormClient

Announced = tuple[AccountChange, str, User | None, str | None]


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def client() -> FormClient:
    return FormClient()


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner", "owner@example.org", "owner-password")


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("stranger", "stranger@example.org", "stranger-password")


@pytest.fixture
def changes(monkeypatch) -> Iterator[list[Announced]]:
    """What `account_changed` said, in order. A test never commits, so nothing waits for that."""
    monkeypatch.setattr(transaction, "on_commit", lambda call, **_: call())
    heard: list[Announced] = []

    def hear(*, change, username, actor, address, **_) -> None:
        heard.append((change, username, actor, address))

    account_changed.connect(hear)
    yield heard
    account_changed.disconnect(hear)
