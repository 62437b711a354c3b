"""Who may use the platform."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person with a login. Operators have `is_staff`."""
