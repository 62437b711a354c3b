"""The two users of a demonstration: an operator, who may do everything, and a camera user."""

import secrets
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from apps.accounts.models import User

OPERATOR = "operator"
OPERATORS_GROUP = "administrator"  # of the console


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
    try:
        User._meta.get_field("username").clean(username, None)
    except ValidationError as error:
        problem = " ".join(error.messages)
        raise ValueError(f"The demo user can't be named {username[:40]!r}: {problem}") from error
    return [
        _ensure(OPERATOR, operator=True, password=None),
        _ensure(username, operator=False, password=password),
    ]


def _ensure(username: str, *, operator: bool, password: str | None) -> DemoUser:
    user, created = User.objects.get_or_create(username=username, defaults={"is_staff": operator})
    if operator and not user.groups.exists():
        user.groups.set(Group.objects.filter(name=OPERATORS_GROUP))
    if password is not None and not created and user.check_password(password):
        return DemoUser(username, operator, None)
    if password is None and not created:
        return DemoUser(username, operator, None)
    password = password or secrets.token_urlsafe(15)
    user.set_password(password)
    user.save(update_fields=["password"])
    return DemoUser(username, operator, password)
