"""Deleting an account. Other packages end what belongs to it when they get `pre_delete`."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce


def delete_account(user: User, *, address: str | None) -> None:
    """Deletes the user with all that is theirs; their live sessions end first."""
    user.deleted_from = address
    user.delete()


@receiver(post_delete, sender=User, dispatch_uid="accounts.announce_deletion")
def announce_deletion(*, instance: User, **_: Any) -> None:
    """A receiver, so that it is announced from wherever: the page, the admin, a shell."""
    username = instance.get_username()
    announce(AccountChange.DELETED, username=username, address=instance.deleted_from)
