"""Registration: an account for an e-mail address, inactive until the mailed link is used.

The address is also the username, so that no reply discloses which usernames exist: whether
an address has an account is written to its mailbox alone.
"""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, announce


class ConfirmationTokens(PasswordResetTokenGenerator):
    """Signed tokens, good until used, until the account changes, or PASSWORD_RESET_TIMEOUT."""

    key_salt = "apps.accounts.registration"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}{user.password}{user.email}{user.awaits_confirmation}{timestamp}"


confirmation_tokens = ConfirmationTokens()


def register(email: str, *, password: str, address: str | None) -> User | None:
    """The account that awaits its confirmation, or None: the address has one already.

    Registering again before the confirmation sets the new password, and old links die.
    """
    username = email.lower()
    try:
        with transaction.atomic():
            user = _awaiting(username, password=password)
    except IntegrityError:  # Somebody was quicker with the same address.
        return None
    if user is None:
        return None
    announce(AccountChange.REGISTERED, username=username, address=address)
    return user


def confirm(user: User, *, address: str | None) -> bool:
    """Activates a registered account. False: it was confirmed before."""
    awaiting = User.objects.filter(pk=user.pk, awaits_confirmation=True)
    if not awaiting.update(awaits_confirmation=False, is_active=True):
        return False
    announce(AccountChange.CONFIRMED, username=user.get_username(), actor=user, address=address)
    return True


def user_to_confirm(user_key: str, token: str) -> User | None:
    """The user whose confirmation link has these parts, None unless it is good."""
    try:
        user = User.objects.get(pk=force_str(urlsafe_base64_decode(user_key)))
    except (User.DoesNotExist, ValueError, OverflowError):
        return None
    good = user.awaits_confirmation and confirmation_tokens.check_token(user, token)
    return user if good else None


def _awaiting(username: str, *, password: str) -> User | None:
    known = User.objects.select_for_update().filter(
        Q(username__iexact=username) | Q(email__iexact=username)
    )
    user = known.order_by("awaits_confirmation").first()
    if user is None:
        return User.objects.create_user(
            username, email=username, password=password, is_active=False, awaits_confirmation=True
        )
    # Hashed also for an account that is left alone: a quicker reply would disclose that it exists.
    hashed = make_password(password)
    if not user.awaits_confirmation:
        return None
    user.password = hashed
    user.save(update_fields=["password"])
    return user
