"""The life of a camera session: open, touch, count, end, expire, purge.

A session is *live* until it is ended or has been idle for `idle_seconds`; only live sessions
take a place. A live session whose socket has closed, or of which nothing was seen for
`PRESENCE` (an open socket notes itself more often than that), is *abandoned*: a page reloaded,
a tab closed without goodbye. It may be taken up again, but when a limit is reached the session
abandoned longest gives up its place to the newcomer, so nobody is told "too many sessions" on
account of pages that are gone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions.metrics import SESSIONS_ENDED, SESSIONS_OPENED, SESSIONS_REFUSED
from apps.camera_sessions.models import (
    MAX_NOTE_CHARS,
    CameraSession,
    CameraSessionQuerySet,
    EndReason,
    new_refresh_id,
    presence_end,
)
from apps.camera_sessions.signals import Ending, session_ended
from apps.contract import ErrorCode, Refusal

EXPIRY_BATCH = 500
"""Sessions that one call ends at most, so that a task stays short; the next call ends the rest."""
_OPENING_LOCK = 0x5177656E  # PostgreSQL's advisory locks have numbers: this one is "Qwen" in ASCII.


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """How many live sessions there may be: in all, of one user, and anonymous of one address.

    `accepting` is false while the platform drains.
    """

    max_sessions: int
    max_sessions_per_user: int
    max_sessions_per_address: int
    idle_seconds: float
    accepting: bool = True


def open_session(
    user: User | None, *, address: str | None, limits: SessionLimits, login_id: str = ""
) -> CameraSession:
    """Opens a session for `user` (None: an anonymous visitor).

    An anonymous session counts for its address; one without an address for nobody.

    Args:
        login_id: the browser's login that it ends with, empty for none.

    Raises:
        Refusal: session_limit, user_session_limit, address_session_limit or draining.
    """
    try:
        _check_accepting(limits)
        with transaction.atomic():
            _lock_opening()
            session = CameraSession.objects.create(user=user, address=address, login_id=login_id)
            _check_limits(session, limits=limits)
    except Refusal as refusal:
        SESSIONS_REFUSED.labels(refusal.code).inc()
        raise
    SESSIONS_OPENED.inc()
    return session


def live_session(session_id: UUID, *, idle_seconds: float) -> CameraSession | None:
    """The live session of that id with its user loaded, or None."""
    live = CameraSession.objects.live(now=timezone.now(), idle_seconds=idle_seconds)
    return live.of_active_users().filter(pk=session_id).select_related("user").first()


def count_live(*, idle_seconds: float) -> int:
    """How many sessions are live."""
    return CameraSession.objects.live(now=timezone.now(), idle_seconds=idle_seconds).count()


def touch(session_id: UUID, *, idle_seconds: float) -> bool:
    """Notes that the session is in use. False: it is over (ended, idle, its user disabled)."""
    now = timezone.now()
    live = CameraSession.objects.live(now=now, idle_seconds=idle_seconds)
    usable = live.of_active_users().filter(pk=session_id)
    return usable.update(last_active_at=now, present_until=presence_end()) > 0


def note_seen(session_id: UUID) -> bool:
    """Notes that its socket is open, which is no use of it. False: ended, or its user disabled."""
    unended = CameraSession.objects.unended().of_active_users().filter(pk=session_id)
    return unended.update(present_until=presence_end()) > 0


def note_gone(session_id: UUID) -> None:
    """Notes that the session's socket has closed: a newcomer may take its place from now on."""
    CameraSession.objects.filter(pk=session_id).update(present_until=timezone.now())


def count(
    session_id: UUID, *, questions: int = 0, answers: int = 0, errors: int = 0, frames: int = 0
) -> None:
    """Adds to the session's counters."""
    CameraSession.objects.filter(pk=session_id).update(
        questions=F("questions") + questions,
        answers=F("answers") + answers,
        errors=F("errors") + errors,
        frames=F("frames") + frames,
    )


def rotate_refresh(session: CameraSession, *, spent: str, idle_seconds: float) -> bool:
    """Gives the session a new `refresh_id` if `spent` is the current one.

    False: the refresh token was used before, or the session is over. Of several callers with
    the same token exactly one gets True.
    """
    fresh = new_refresh_id()
    live = CameraSession.objects.live(now=timezone.now(), idle_seconds=idle_seconds)
    # Compare and set in one UPDATE: of two callers with the same token one finds no row.
    current = live.filter(pk=session.pk, refresh_id=spent)
    if not current.update(refresh_id=fresh, present_until=presence_end()):
        return False
    session.refresh_id = fresh
    return True


def end_session(
    session_id: UUID, *, reason: EndReason, note: str = "", actor: User | None = None
) -> bool:
    """Ends the session. True for exactly one caller, who thereby sends `session_ended`.

    Args:
        note: a sentence for the session's user, `MAX_NOTE_CHARS` at most.
        actor: who ended it, if not its own user or the platform.
    """
    ending = Ending(session_id=session_id, reason=reason, note=note[:MAX_NOTE_CHARS], actor=actor)
    return _end(CameraSession.objects.filter(pk=session_id), ending)


def end_sessions(
    sessions: CameraSessionQuerySet,
    *,
    reason: EndReason,
    note: str = "",
    actor: User | None = None,
    after_each: Callable[[], None] = lambda: None,
) -> list[UUID]:
    """Ends those of `sessions` that have not ended, one by one, as `end_session` does.

    Args:
        after_each: called after each, for showing progress.

    Returns:
        The ids of those that this call ended: somebody else may end one meanwhile.
    """
    ended = []
    for pk in list(sessions.unended().values_list("pk", flat=True)):
        if end_session(pk, reason=reason, note=note, actor=actor):
            ended.append(pk)
        after_each()
    return ended


def expire_idle(now: datetime, *, idle_seconds: float) -> int:
    """Ends the sessions idle at `now`, `EXPIRY_BATCH` at most. Returns how many."""
    idle = CameraSession.objects.idle(now=now, idle_seconds=idle_seconds)
    ids = list(idle.values_list("pk", flat=True)[:EXPIRY_BATCH])
    endings = (Ending(session_id=pk, reason=EndReason.IDLE) for pk in ids)
    # Each asks again whether it is idle: it may have been used since the ids were read.
    return sum(_end(idle.filter(pk=ending.session_id), ending) for ending in endings)


def purge_ended(before: datetime, *, at_most: int) -> int:
    """Deletes up to `at_most` records of sessions that ended before that moment.

    Returns how many: zero when none is left.
    """
    # Unordered, for the newest-first default would sort all of them for each batch.
    old = CameraSession.objects.purgeable(before=before).order_by()
    deleted, _ = CameraSession.objects.filter(
        pk__in=list(old.values_list("pk", flat=True)[:at_most])
    ).delete()
    return deleted


def _end(candidates: CameraSessionQuerySet, ending: Ending) -> bool:
    # The update's row count says who ended it: of two callers at once one finds it ended.
    unended = candidates.unended()
    if not unended.update(ended_at=timezone.now(), end_reason=ending.reason, end_note=ending.note):
        return False
    transaction.on_commit(partial(_announce_end, ending))
    return True


def _announce_end(ending: Ending) -> None:
    SESSIONS_ENDED.labels(ending.reason.value).inc()
    # Robust: a receiver that fails must not keep the others from hearing of it.
    session_ended.send_robust(sender=CameraSession, ending=ending)


def _lock_opening() -> None:
    """Holds a lock until the transaction ends, so that one opener at a time inserts and counts.

    Else two at once would each count without the other, and both pass the last place. SQLite needs
    nothing: the insert that follows takes its one write lock.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_OPENING_LOCK])


def _check_accepting(limits: SessionLimits) -> None:
    if not limits.accepting:
        detail = "No new sessions are opened at the moment; please try again later."
        raise Refusal(ErrorCode.DRAINING, detail)


def _check_limits(session: CameraSession, *, limits: SessionLimits) -> None:
    """Raises a `Refusal` unless `session`, already inserted, is within all limits.

    Abandoned sessions give up their places to it where that is enough; a refusal by a later limit
    undoes that with the transaction.
    """
    live = CameraSession.objects.live(now=session.started_at, idle_seconds=limits.idle_seconds)
    others = live.exclude(pk=session.pk)
    own = others.of(session.user) if session.user else others.none()
    if not _make_room(own, limits.max_sessions_per_user, session):
        raise Refusal(
            ErrorCode.USER_SESSION_LIMIT,
            f"You already have {limits.max_sessions_per_user} camera sessions; end one first.",
        )
    if not _make_room(
        _from_same_address(session, others), limits.max_sessions_per_address, session
    ):
        raise Refusal(
            ErrorCode.ADDRESS_SESSION_LIMIT,
            f"Your address already has {limits.max_sessions_per_address} camera sessions.",
        )
    if not _make_room(others, limits.max_sessions, session):
        detail = "All camera sessions are taken; try again later."
        raise Refusal(ErrorCode.SESSION_LIMIT, detail)


def _from_same_address(
    session: CameraSession, others: CameraSessionQuerySet
) -> CameraSessionQuerySet:
    """The other anonymous sessions of an anonymous session's address."""
    if session.user_id or session.address is None:
        return others.none()
    return others.filter(user=None, address=session.address)


def _make_room(others: CameraSessionQuerySet, places: int, session: CameraSession) -> bool:
    """Ends as many abandoned ones of `others` as `session` needs; False, and none, if too few."""
    surplus = others.count() + 1 - places
    if surplus <= 0:
        return True
    abandoned = others.filter(present_until__lte=session.started_at).order_by("present_until")
    ids = list(abandoned.values_list("pk", flat=True)[:surplus])
    if len(ids) < surplus:
        return False
    for pk in ids:
        end_session(pk, reason=EndReason.REPLACED)
    return True
