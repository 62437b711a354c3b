"""The page of one's own live camera sessions."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import User
from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason


@require_safe
@never_cache
@login_required
def own_sessions(request: HttpRequest) -> HttpResponse:
    """The user's live sessions, each with a button that ends it."""
    sessions = CameraSession.objects.of(_user(request)).live(
        now=timezone.now(), idle_seconds=settings.SESSION_IDLE_SECONDS
    )
    return render(request, "accounts/sessions.html", {"sessions": sessions})


@require_POST
@login_required
def end_own_session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Ends it on whichever process holds it; 404 unless it is the user's own.

    One that has just ended by itself is as good as ended here.
    """
    if not CameraSession.objects.of(_user(request)).filter(pk=session_id).exists():
        raise Http404
    lifecycle.end_session(session_id, reason=EndReason.USER)
    messages.success(request, "The session has ended.")
    return redirect("account-sessions")


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user
