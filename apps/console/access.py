"""Who may use the console: staff, each as far as their permissions go."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

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


def page(permission: str) -> Callable[[View], View]:
    """A page for those with `permission`; login first, 403 for others.

    It is Django's `permission_required`, but for staff only: a group may have other members.
    """

    def check(user: User | AnonymousUser) -> bool:
        if user.is_authenticated and not may(user, permission):
            raise PermissionDenied
        return user.is_authenticated

    return user_passes_test(check)


def action(permission: str) -> Callable[[View], View]:
    """A call of the page's JavaScript, for those with `permission`.

    Refusals are JSON, where Django's decorators redirect to the login page.
    """

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
