"""What a container of the image may be."""

from typing import Final

ROLES: Final = ("web", "worker", "beat")
"""The servers; ``manage`` is for commands."""
