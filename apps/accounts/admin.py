from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from apps.accounts.forms import StaffLoginForm
from apps.accounts.logins import client_address
from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce

FOR_SUPERUSERS = ("is_superuser", "user_permissions")


class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Accounts. Only a superuser may make, change or delete a superuser.

    Otherwise everybody with the permission to change accounts could become one.
    """

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *FOR_SUPERUSERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        _announce(AccountChange.ADDED_BY_ADMIN, request, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Also called for a new password and for changed groups."""
        _announce(AccountChange.EDITED_BY_ADMIN, request, obj)
        return super().log_change(request, obj, message)


def _announce(change: AccountChange, request: HttpRequest, user: User) -> None:
    actor = request.user if isinstance(request.user, User) else None
    name, address = user.get_username(), client_address(request)
    announce(change, username=name, actor=actor, address=address)


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return user is None or not user.is_superuser or _is_superuser(request)


admin.site.login_form = StaffLoginForm
admin.site.register(User, PeopleAdmin)
