"""What this package tells the ones above it.

`account_changed` is sent after the commit with `change: AccountChange`, `username: str` (whose
account), `actor: User | None` (who did it; None for a shell or a visitor) and
`address: str | None`.
"""

from enum import StrEnum

from django.dispatch import Signal


class AccountChange(StrEnum):
    """What happened to an account."""

    REGISTERED = "registered"
    CONFIRMED = "confirmed"
    INVITED = "invited"
    JOINED = "joined"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  (no secret)
    PASSWORD_RESET = "password_reset"  # noqa: S105
    LOCKED_OUT = "locked_out"
    DELETED = "deleted"


account_changed = Signal()
