"""The signal of this package, for the packages above it, which it must not import.

`setting_changed` is sent after the commit with `name: str`, `old: Value`, `new: Value` and
`actor: User | None` (None: from a shell).
"""

from django.dispatch import Signal

setting_changed = Signal()
