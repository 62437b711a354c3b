"""What this package tells the ones above it.

`setting_changed` is sent after the commit with `name: str`, `old: Value`, `new: Value` and
`actor: User | None` (None: from a shell).
"""

from django.dispatch import Signal

setting_changed = Signal()
