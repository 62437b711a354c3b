"""The two users of a demonstration: an operator and somebody who just looks."""

import secrets
from dataclasses import dataclass

from apps.accounts.models import User

OPERATOR = "operator"


@dataclass(frozen=True)
class DemoUser:
    """A user there is now. `password` is None where it was not set just now."""

    username: str
    operator: bool
    password: str | None


def ensure_demo_users(*, username: str, password: str | None) -> list[DemoUser]:
    """Creates the operator and `username` unless they exist; `password` is for `username`.

    Without a given password a random one is set, at creation only. A given one is set whenever
    it is not the user's already.
    """
    if username == OPERATOR:
        raise ValueError(f"The demo user can't be named {OPERATOR}: that is the operator.")
    return [
        _ensure(OPERATOR, operator=True, password=None),
        _ensure(username, operator=False, password=password),
    ]


def _ensure(username: str, *, operator: bool, password: str | None) -> DemoUser:
    user, created = User.objects.get_or_create(username=username, defaults={"is_staff": operator})
    if password is not None and not created and user.check_password(password):
        return DemoUser(username, operator, None)
    if password is None and not created:
        return DemoUser(username, operator, None)
    password = password or secrets.token_urlsafe(15)
    user.set_password(password)
    user.save(update_fields=["password"])
    return DemoUser(username, operator, password)
