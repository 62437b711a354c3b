"""Users by the name that a command was given.

Apart from `command`, which the doctor needs also where there are no settings to load models with.
"""

from django.core.management.base import CommandError

from apps.accounts.models import User


def get_user_or_fail(username: str) -> User:
    """Return that user; CommandError where there is none."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user named {username!r}.")
    return user
