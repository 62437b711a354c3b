"""Camera sessions as a maintainer sees them: whose, how long, how much."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db.models import QuerySet

from apps.camera_sessions.models import CameraSession

State = Literal["live", "abandoned", "idle", "ended"]


@dataclass(frozen=True, kw_only=True)
class SessionSummary:
    """One session at one moment.

    Attributes:
        user: a user name, None for an anonymous visitor.
        idle_seconds: since its last use; of an ended one, until its end.
        state: `abandoned` is live with nobody there; `idle` is over, its end not yet recorded.
        end_reason, end_note: empty unless ended.
    """

    id: UUID
    user: str | None
    address: str | None
    started_at: datetime
    idle_seconds: int
    questions: int
    answers: int
    errors: int
    state: State
    end_reason: str
    end_note: str


def summarize(
    sessions: QuerySet[CameraSession], *, now: datetime, idle_seconds: float
) -> Iterable[SessionSummary]:
    """A summary of each of `sessions`, in their order."""
    for session in sessions.select_related("user"):
        yield SessionSummary(
            id=session.pk,
            user=session.user.get_username() if session.user else None,
            address=session.address,
            started_at=session.started_at,
            idle_seconds=max(0, int(_idle(session, now=now).total_seconds())),
            questions=session.questions,
            answers=session.answers,
            errors=session.errors,
            state=_state(session, now=now, idle_seconds=idle_seconds),
            end_reason=session.end_reason,
            end_note=session.end_note,
        )


def _idle(session: CameraSession, *, now: datetime) -> timedelta:
    return (session.ended_at or now) - session.last_active_at


def _state(session: CameraSession, *, now: datetime, idle_seconds: float) -> State:
    if session.ended_at is not None:
        return "ended"
    if _idle(session, now=now).total_seconds() >= idle_seconds:
        return "idle"
    return "live" if session.present_until > now else "abandoned"
