"""Users as commands name them."""

from django.core.management.base import CommandError

from apps.accounts.models import User


def get_user_or_fail(username: str) -> User:
    """Return that user, or end the command saying that there is none."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user named {username!r}.")
    return user
