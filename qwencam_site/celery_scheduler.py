"""Celery's scheduler with a heartbeat to systemd: if it hung, no idle session would ever end."""

from typing import Any

from celery.beat import PersistentScheduler

from apps.chat.service_notify import ALIVE, READY, notify


class HeartbeatScheduler(PersistentScheduler):
    """Celery's scheduler; `CELERY_BEAT_SCHEDULER` names it."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send the heartbeat, then do what is due; return the seconds until the next time."""
        notify(f"{READY}\n{ALIVE}")
        return super().tick(*args, **kwargs)
