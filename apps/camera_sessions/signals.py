"""The signal of this package, for the packages above it, which it must not import.

`session_ended` is sent after the commit with `ending: Ending`, exactly once for each session, in
the thread that ended it.
"""

from dataclasses import dataclass
from uuid import UUID

from django.dispatch import Signal

from apps.accounts.models import User
from apps.camera_sessions.models import EndReason


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a session ended.

    Attributes:
        note: a sentence for its user, perhaps empty.
        actor: who ended it, if not its own user or the platform.
    """

    session_id: UUID
    reason: EndReason
    note: str = ""
    actor: User | None = None


session_ended = Signal()
