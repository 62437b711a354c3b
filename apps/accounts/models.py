"""Who may use the platform, and who has been invited to."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone


class AnswerLanguage(models.TextChoices):
    """The language the model answers in: its English name, as it stands in the prompt."""

    OF_THE_QUESTION = "", "The language of the question"
    ARABIC = "Arabic", "العربية · Arabic"
    CHINESE = "Chinese", "中文 · Chinese"
    DUTCH = "Dutch", "Nederlands · Dutch"
    ENGLISH = "English", "English"
    FRENCH = "French", "Français · French"
    GERMAN = "German", "Deutsch · German"
    HINDI = "Hindi", "हिन्दी · Hindi"
    ITALIAN = "Italian", "Italiano · Italian"
    JAPANESE = "Japanese", "日本語 · Japanese"
    KOREAN = "Korean", "한국어 · Korean"
    POLISH = "Polish", "Polski · Polish"
    PORTUGUESE = "Portuguese", "Português · Portuguese"
    SPANISH = "Spanish", "Español · Spanish"
    TURKISH = "Turkish", "Türkçe · Turkish"
    UKRAINIAN = "Ukrainian", "Українська · Ukrainian"


class AnswerLength(models.TextChoices):
    """How long answers should be."""

    SHORT = "short", "Short"
    NORMAL = "normal", "Normal"
    LONG = "long", "Long"


class Users(UserManager["User"]):
    """Finds a user whose e-mail address is typed with other capitals than at the registration."""

    use_in_migrations = False

    def get_by_natural_key(self, username: str | None) -> "User":
        try:
            return super().get_by_natural_key(username)
        except User.DoesNotExist:
            return super().get_by_natural_key((username or "").lower())


class User(AbstractUser):
    """A person with a login. Operators have `is_staff`.

    `awaits_confirmation` is true from a registration until its mailed link is used; such a user
    is inactive. Who is inactive without it was disabled by an operator.
    """

    display_name = models.CharField(max_length=60, blank=True)
    answer_language = models.CharField(
        max_length=16, choices=AnswerLanguage, blank=True, default=AnswerLanguage.OF_THE_QUESTION
    )
    answer_length = models.CharField(
        max_length=8, choices=AnswerLength, default=AnswerLength.NORMAL
    )
    awaits_confirmation = models.BooleanField(default=False, editable=False)

    objects: ClassVar[Users] = Users()

    # Where the request came from that deletes this user; for the record of it, not stored.
    deleted_from: str | None = None

    @property
    def shown_name(self) -> str:
        """What the pages call the user."""
        return self.display_name or self.get_username()


class Invitation(models.Model):
    """A link that lets one person make an account, once. The token itself is not stored.

    `token_hash` is its SHA-256 in hexadecimal. `email` is whom it is for, perhaps empty.
    """

    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="invitations_made",
    )
    email = models.EmailField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="invitations_used",
    )

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"invitation {self.pk}"

    def is_open(self, *, now: datetime) -> bool:
        """Whether somebody may still use it at `now`."""
        return self.used_at is None and self.expires_at > now
