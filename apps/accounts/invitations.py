"""Invitations: an operator makes a link, one person makes an account with it."""

import secrets
from datetime import timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Invitation, User
from apps.accounts.signals import AccountChange, announce
from apps.contract import ErrorCode, Refusal


def create_invitation(
    *, actor: User | None, email: str = "", valid_for: timedelta, address: str | None = None
) -> tuple[Invitation, str]:
    """A new invitation and its token, which only the link carries: it is stored nowhere.

    Args:
        actor: who invites; None for a shell.
        email: whom, perhaps empty.
        address: where the request came from, for the record.
    """
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    invitation = Invitation.objects.create(
        token_hash=_hash(token),
        created_by=actor,
        email=email,
        created_at=now,
        expires_at=now + valid_for,
    )
    announce(AccountChange.INVITED, username=email, actor=actor, address=address)
    return invitation, token


def withdraw_invitation(pk: int, *, actor: User, address: str | None = None) -> bool:
    """Let nobody use an invitation any more; False when it is not open."""
    now = timezone.now()
    unused = Invitation.objects.filter(pk=pk, used_at=None, expires_at__gt=now)
    email = unused.values_list("email", flat=True).first()
    if not unused.update(expires_at=now):
        return False
    change = AccountChange.INVITATION_WITHDRAWN
    announce(change, username=email or "", actor=actor, address=address)
    return True


def invitation_url(base_url: str, token: str) -> str:
    """The link to hand on; `base_url` is the platform's, such as https://camera.example.org."""
    return base_url.rstrip("/") + reverse("invitation", args=[token])


def find_open_invitation(token: str) -> Invitation | None:
    """The invitation of that token, None unless it may still be used."""
    invitation = Invitation.objects.filter(token_hash=_hash(token)).first()
    if invitation is None or not invitation.is_open(now=timezone.now()):
        return None
    return invitation


def accept_invitation(
    token: str, *, username: str, password: str, email: str = "", address: str | None = None
) -> User:
    """The new user of these credentials. Of several callers one wins.

    Raises:
        Refusal: invitation_invalid, or username_taken: the invitation stays good.
    """
    try:
        with transaction.atomic():
            user = _create_invited_user(token, username=username, password=password, email=email)
    except IntegrityError as error:
        raise _username_taken() from error
    announce(AccountChange.JOINED, username=username, actor=user, address=address)
    return user


def _create_invited_user(token: str, *, username: str, password: str, email: str) -> User:
    now = timezone.now()
    unused = Invitation.objects.filter(token_hash=_hash(token), used_at=None, expires_at__gt=now)
    # Claimed by the row count: of two who use the same link at once, one finds it used. Whatever
    # fails below undoes the claim, so the link stays good.
    if not unused.update(used_at=now):
        detail = "This invitation is not valid, or no longer."
        raise Refusal(ErrorCode.INVITATION_INVALID, detail)
    if User.objects.filter(username__iexact=username).exists():
        raise _username_taken()
    user = User.objects.create_user(username, email=email, password=password)
    Invitation.objects.filter(token_hash=_hash(token)).update(used_by=user)
    return user


def _username_taken() -> Refusal:
    detail = "Somebody else has this username; choose another."
    return Refusal(ErrorCode.USERNAME_TAKEN, detail)


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
