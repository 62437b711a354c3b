"""The three groups of console users: each may do what the one before may, and more."""

from typing import Any

from django.contrib.auth.models import Group, Permission

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

_VIEWER = {"console.view_console"}
_OPERATOR = _VIEWER | {"console.end_sessions", "console.drain", "console.invite"}
_ADMINISTRATOR = _OPERATOR | {
    "console.change_settings",
    "accounts.view_user",
    "accounts.add_user",
    "accounts.change_user",
    "accounts.delete_user",
}
GROUPS = {VIEWER: _VIEWER, OPERATOR: _OPERATOR, ADMINISTRATOR: _ADMINISTRATOR}


def ensure_groups(**_: Any) -> None:
    """Makes the groups that are missing, with their permissions; those there are stay as they are.

    An operator of the platform may give a group more or less: a migration does not undo that.
    """
    for name, wanted in GROUPS.items():
        group, created = Group.objects.get_or_create(name=name)
        if created:
            group.permissions.set(_permissions(wanted))


def _permissions(names: set[str]) -> list[Permission]:
    codenames = {name.partition(".")[2] for name in names}
    labels = {name.partition(".")[0] for name in names}
    found = Permission.objects.filter(codename__in=codenames, content_type__app_label__in=labels)
    return list(found)
