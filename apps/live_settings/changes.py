"""Changes a live setting: checks it, stores it with its author and time, sends a signal."""

from functools import partial

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.live_settings.current import defaults, refresh
from apps.live_settings.definitions import Value, definition
from apps.live_settings.models import Override
from apps.live_settings.signals import setting_changed


def change_setting(name: str, value: object, *, actor: User | None) -> Value:
    """Puts `value` in force on all processes and returns it as stored.

    Args:
        actor: who changes it; None for a shell.

    Raises:
        InvalidSetting: the name is unknown or the value not one it takes.
    """
    new = definition(name).checked(value)
    with transaction.atomic():
        # Read anew: this process may not know yet what another has just changed.
        old = getattr(refresh(), name)
        if new == old:
            return new
        stored = {"value": new, "changed_at": timezone.now(), "changed_by": actor}
        Override.objects.update_or_create(name=name, defaults=stored)
        transaction.on_commit(partial(_announce, name, old, new, actor))
    refresh()
    return new


def reset_setting(name: str, *, actor: User | None) -> Value:
    """Puts the environment's value back in force and returns it.

    Raises:
        InvalidSetting: the name is unknown.
    """
    definition(name)
    new: Value = getattr(defaults(), name)
    with transaction.atomic():
        old = getattr(refresh(), name)
        if not Override.objects.filter(name=name).delete()[0]:
            return new
        transaction.on_commit(partial(_announce, name, old, new, actor))
    refresh()
    return new


def _announce(name: str, old: Value, new: Value, actor: User | None) -> None:
    setting_changed.send_robust(sender=Override, name=name, old=old, new=new, actor=actor)
