"""When a session ends, its sockets and streams close and its content goes, on every process."""

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync

from apps.camera_sessions.signals import Ending
from apps.chat.events import Events
from apps.chat.services import services_over
from apps.fleet.redis_client import open_redis

logger = logging.getLogger(__name__)


def on_session_ended(*, ending: Ending, **_: Any) -> None:
    """Tell every process, then forget what was said; called in the thread that ended it."""
    async_to_sync(_end)(ending)


async def _end(ending: Ending) -> None:
    # The loop may live for this call only (a command, a task): so does the client.
    redis = open_redis()
    try:
        async with asyncio.timeout(5):
            session_id = str(ending.session_id)
            await Events().session_ended(session_id, ending.reason.value, note=ending.note)
            await services_over(redis).forget(session_id)
    except Exception as error:
        # The row says that it has ended, and sockets look there too; content has its TTL.
        logger.warning("The end of a session went unheard: %s", type(error).__name__)
    finally:
        await redis.aclose()
