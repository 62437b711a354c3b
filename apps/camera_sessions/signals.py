"""What this package tells the ones above it.

`session_ended` is sent after the commit with `session_id: UUID` and `reason: EndReason`,
exactly once for each session, in the thread that ended it.
"""

from django.dispatch import Signal

session_ended = Signal()
