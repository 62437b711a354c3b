"""The signals of this package, for the packages above it, which it must not import.

`account_changed` is sent after the commit with `change: AccountChange`, `username: str` (whose
account), `actor: User | None` (who did it; None for a shell or a visitor) and
`address: str | None`.

`login_ended` is sent in the transaction that ends a browser's login, with `login_id: str`;
`other_logins_ended` in that of a password change, with `user: User` and `kept: str`, the id of the
one login that goes on. What a receiver raises undoes the transaction.
"""

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from apps.accounts.models import User


class AccountChange(StrEnum):
    """What happened to an account."""

    REGISTERED = "registered"
    CONFIRMED = "confirmed"
    INVITED = "invited"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    JOINED = "joined"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  (no secret)
    PASSWORD_RESET = "password_reset"  # noqa: S105
    LOCKED_OUT = "locked_out"
    DELETED = "deleted"
    ADDED_BY_ADMIN = "added_by_admin"
    EDITED_BY_ADMIN = "edited_by_admin"


account_changed = Signal()
login_ended = Signal()
other_logins_ended = Signal()


def announce(
    change: AccountChange,
    *,
    username: str,
    actor: "User | None" = None,
    address: str | None = None,
) -> None:
    """Sends `account_changed` once the present transaction, if any, has been committed."""
    send = partial(
        account_changed.send_robust,
        sender=AccountChange,
        change=change,
        username=username,
        actor=actor,
        address=address,
    )
    transaction.on_commit(send)
