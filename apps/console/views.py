"""The console's HTTP doors: its pages, and what may be done from them."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.invitations import create_invitation, invitation_url, withdraw_invitation
from apps.accounts.logins import client_address
from apps.accounts.models import Invitation, User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from apps.console import audit
from apps.console.access import action, may, page, permissions_of
from apps.console.forms import NewInvitation
from apps.console.models import AuditEntry, Kind
from apps.contract import ErrorCode, Refusal
from apps.live_settings.changes import change_setting, reset_setting
from apps.live_settings.definitions import InvalidSetting

AUDIT_PAGE_ROWS = 50
INVITATIONS_SHOWN = 100
BIGGEST_ID = 2**63 - 1  # The greatest id that a column holds: databases fail on a query for more.
CSV_COLUMNS = ("at", "kind", "actor", "subject", "detail", "address")


@require_safe
@ensure_csrf_cookie
@page("view_console")
def console(request: HttpRequest) -> HttpResponse:
    """The live console."""
    return render(request, "console/console.html", _context(request))


@require_POST
@action("end_sessions")
def end_session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Ends one session, with a note that its user sees."""
    note = _note(request)
    actor = _actor(request)
    if not lifecycle.end_session(session_id, reason=EndReason.OPERATOR, note=note, actor=actor):
        raise Refusal(ErrorCode.NOT_FOUND, "There is no such live session.")
    return HttpResponse(status=204)


@require_POST
@action("end_sessions")
def end_sessions(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ends all live sessions of one user."""
    note = _note(request)
    actor = _actor(request)
    user = User.objects.filter(pk=user_id).first() if user_id <= BIGGEST_ID else None
    if user is None:
        raise Refusal(ErrorCode.NOT_FOUND, "There is no such user.")
    ended = lifecycle.end_sessions(
        CameraSession.objects.of(user), reason=EndReason.OPERATOR, note=note, actor=actor
    )
    return JsonResponse({"ended": len(ended)})


@require_http_methods(["POST", "DELETE"])
@action("view_console")
def setting(request: HttpRequest, name: str) -> HttpResponse:
    """Changes a live setting, or puts its default back in force."""
    actor = _actor(request)
    if not may(actor, "drain" if name == "accept_sessions" else "change_settings"):
        raise Refusal(ErrorCode.FORBIDDEN, "Your group may not change this setting.")
    try:
        if request.method == "DELETE":
            value = reset_setting(name, actor=actor)
        else:
            value = change_setting(name, _body(request).get("value"), actor=actor)
    except InvalidSetting as error:
        raise Refusal(ErrorCode.INVALID_SETTING, str(error)) from error
    return JsonResponse({"value": value})


@require_safe
@page("view_console")
def audit_page(request: HttpRequest) -> HttpResponse:
    """The audit, newest first."""
    found = Paginator(_audit(request), AUDIT_PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "page": found,
        "kinds": Kind.choices,
        "chosen": request.GET.get("kind", ""),
        "q": request.GET.get("q", ""),
    }
    return render(request, "console/audit.html", _context(request) | context)


@require_safe
@page("view_console")
def audit_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same entries as a file; that it was taken is an entry too."""
    entries = _audit(request)
    audit.record(Kind.AUDIT_EXPORTED, actor=_actor(request), address=client_address(request))
    response = StreamingHttpResponse(_csv_lines(entries), content_type="text/csv; charset=utf-8")
    name = f"qwencam-audit-{timezone.now():%Y%m%d-%H%M%S}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@page("invite")
def invitations(request: HttpRequest) -> HttpResponse:
    """Invitation links: those there are, and a new one, whose link is shown in this answer only."""
    form = NewInvitation(request.POST or None, initial={"days": settings.INVITATION_DAYS})
    link = ""
    if request.method == "POST" and form.is_valid():
        link = _invite(request, **form.cleaned_data)
        form = NewInvitation(initial={"days": settings.INVITATION_DAYS})
    made = Invitation.objects.select_related("created_by", "used_by").order_by("-created_at")
    now = timezone.now()
    context = {
        "form": form,
        "link": link,
        "invitations": [_shown(one, now=now) for one in made[:INVITATIONS_SHOWN]],
    }
    return render(request, "console/invitations.html", _context(request) | context)


@require_POST
@page("invite")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Makes an open invitation's link useless; one that is used or over stays as it is."""
    if pk <= BIGGEST_ID:
        withdraw_invitation(pk, actor=_actor(request), address=client_address(request))
    return redirect("console:invitations")


def _invite(request: HttpRequest, *, email: str, days: int) -> str:
    """The link of a new invitation, for a browser that came as this one did."""
    _, token = create_invitation(
        actor=_actor(request),
        email=email,
        valid_for=timedelta(days=days),
        address=client_address(request),
    )
    return invitation_url(request.build_absolute_uri("/"), token)


def _shown(invitation: Invitation, *, now: datetime) -> dict[str, Any]:
    """A row of the page."""
    unused = "open" if invitation.is_open(now=now) else "expired"
    return {
        "pk": invitation.pk,
        "email": invitation.email,
        "state": "used" if invitation.used_at else unused,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
        "created_by": invitation.created_by,
        "used_by": invitation.used_by,
    }


def _context(request: HttpRequest) -> dict[str, Any]:
    return {"version": settings.VERSION, "permissions": permissions_of(_actor(request))}


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (the guard saw to it)
    return request.user


def _audit(request: HttpRequest) -> QuerySet[AuditEntry]:
    """The entries that the page's filters leave."""
    entries = AuditEntry.objects.all()
    kind, words = request.GET.get("kind", ""), request.GET.get("q", "").strip()
    if kind in Kind.values:
        entries = entries.filter(kind=kind)
    if words:
        entries = entries.filter(
            Q(actor__icontains=words)
            | Q(subject__icontains=words)
            | Q(detail__icontains=words)
            | Q(address__icontains=words)
        )
    return entries


class _Line:
    """A file to the csv module: returns what is written, so that the reply can be streamed."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(CSV_COLUMNS)
    # Read in chunks as the reply is sent: the whole audit need not fit into memory.
    for entry in entries.iterator(chunk_size=500):
        cells = (entry.actor, entry.subject, entry.detail, entry.address or "")
        yield writer.writerow([entry.at.isoformat(), entry.kind, *map(_inert, cells)])


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _note(request: HttpRequest) -> str:
    note = _body(request).get("note", "")
    if not isinstance(note, str):
        raise Refusal(ErrorCode.BAD_REQUEST, "note must be a text.")
    note = " ".join(note.split())
    if not note.isprintable():
        raise Refusal(ErrorCode.BAD_REQUEST, "note must not contain control characters.")
    return note


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(ErrorCode.BAD_REQUEST, "The body must be JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(ErrorCode.BAD_REQUEST, "The body must be a JSON object.")
    return body
