"""A scheduler that says it lives: one that hangs would let nobody's idle session end."""

from typing import Any

from celery.beat import PersistentScheduler

from apps.chat.service_notify import ALIVE, READY, notify


class HeartbeatScheduler(PersistentScheduler):
    """Celery's scheduler; `CELERY_BEAT_SCHEDULER` names it."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Say so, then do what is due; return the seconds until the next time."""
        notify(f"{READY}\n{ALIVE}")
        return super().tick(*args, **kwargs)
