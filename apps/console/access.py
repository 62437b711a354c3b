"""Who may use the console: staff, each as far as their permissions go."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from apps.accounts.login_sessions import SessionStore
from apps.accounts.models import User
from apps.contract import ErrorCode, Refusal

View = Callable[..., HttpResponseBase]
ACTIONS = ("end_sessions", "drain", "invite", "change_settings")


def may(user: User | AnonymousUser, permission: str) -> bool:
    """Whether `user` is staff with that permission of the console."""
    return user.is_active and user.is_staff and user.has_perm(f"console.{permission}")


def permissions_of(user: User) -> list[str]:
    """What the user may do beside looking."""
    return [action for action in ACTIONS if may(user, action)]


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who watches the console, and what they may do beside that."""

    username: str
    permissions: list[str]


class NotWelcome(Exception):
    """Nobody is logged in, or somebody who may not look at the console."""

    def __init__(self, *, logged_in: bool) -> None:
        super().__init__()
        self.logged_in = logged_in


def visitor_of(session_key: str | None) -> Visitor:
    """Whose login cookie this is, read anew; raises `NotWelcome`."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User):
        raise NotWelcome(logged_in=False)
    if not may(user, "view_console"):
        raise NotWelcome(logged_in=True)
    return Visitor(username=user.get_username(), permissions=permissions_of(user))


def page(permission: str) -> Callable[[View], View]:
    """A page for those with `permission`; login first, 403 for others."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not may(request.user, permission):
                raise PermissionDenied
            return view(request, *args, **options)

        return guarded

    return wrap


def action(permission: str) -> Callable[[View], View]:
    """A call of the console's program for those with `permission`; errors are JSON."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
            try:
                if not request.user.is_authenticated:
                    raise Refusal(ErrorCode.NOT_AUTHENTICATED, "Log in again.")
                if not may(request.user, permission):
                    raise Refusal(ErrorCode.FORBIDDEN, "Your group may not do this.")
                return view(request, *args, **options)
            except Refusal as refusal:
                return JsonResponse(refusal.as_dict(), status=refusal.code.status)

        return guarded

    return wrap
