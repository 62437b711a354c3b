"""The end of an account. What belongs to it elsewhere is ended by receivers of `pre_delete`."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce


def delete_account(user: User, *, address: str | None) -> None:
    """Deletes the user with all that is theirs; their live sessions end first."""
    user.deleted_from = address
    user.delete()


@receiver(post_delete, sender=User, dispatch_uid="accounts.tell_of_deletion")
def tell_of_deletion(*, instance: User, **_: Any) -> None:
    """However the user was deleted: on the page, in the admin, from a shell."""
    username = instance.get_username()
    announce(AccountChange.DELETED, username=username, address=instance.deleted_from)
