"""What processes tell each other over the channel layer; only here are group names known.

Two groups a session: ``session`` (its sockets) and ``media`` (the process that holds its peer
connection). Ids and short texts travel, frames never.

An event is a hint: what it tells of is in Redis already, or is asked for again, and whoever waits
for it looks there by itself. So one that can't be sent is counted, and costs nothing else.
"""

import logging
from typing import Any

from channels.layers import BaseChannelLayer, get_channel_layer
from redis.exceptions import RedisError

from apps.chat import metrics
from apps.streaming.types import CapturePurpose, StreamState

logger = logging.getLogger(__name__)


def session_group(session_id: str) -> str:
    """Group of the consumers that serve a session."""
    return f"session.{session_id}"


def media_group(session_id: str) -> str:
    """Group of the one process that holds the session's peer connection."""
    return f"media.{session_id}"


class Events:
    """Sends events. The names of its methods are those of the handlers that receive them."""

    def __init__(self, layer: BaseChannelLayer | None = None) -> None:
        self._layer: Any = layer or get_channel_layer()

    async def _send(self, group: str, kind: str, **data: object) -> None:
        try:
            await self._layer.group_send(group, {"type": kind, **data})
        except (RedisError, OSError) as error:
            metrics.EVENTS_LOST.inc()
            logger.warning("An event was not sent: %s", type(error).__name__)

    async def answer_batch(self, session_id: str, question_id: str, *, seq: int, text: str) -> None:
        """Batch ``seq`` of an answer is in the store; its text comes along to save a look-up."""
        group = session_group(session_id)
        await self._send(group, "answer.batch", id=question_id, seq=seq, text=text)

    async def answer_finished(self, session_id: str, question_id: str) -> None:
        """A question has its response or error in the store."""
        await self._send(session_group(session_id), "answer.finished", id=question_id)

    async def socket_opened(self, session_id: str, connection: str) -> None:
        """A newer socket serves the session: the older ones give way."""
        await self._send(session_group(session_id), "socket.opened", connection=connection)

    async def session_ended(self, session_id: str, reason: str, *, note: str) -> None:
        """The session is over, for its sockets and for its peer connection."""
        await self._send(session_group(session_id), "session.ended", reason=reason, note=note)
        await self._send(media_group(session_id), "session.ended", session_id=session_id)

    async def frame_wanted(
        self, session_id: str, question_id: str, *, wish: CapturePurpose
    ) -> None:
        """Whoever holds the session's peer connection: take a frame for this question."""
        group = media_group(session_id)
        await self._send(group, "frame.wanted", session_id=session_id, id=question_id, wish=wish)

    async def stream_changed(self, state: StreamState) -> None:
        """The camera's stream connected, changed its size, stalled or closed."""
        await self._send(
            session_group(state.session_id),
            "stream.changed",
            state=state.state,
            width=state.width,
            height=state.height,
            fps=state.fps,
            error=state.error,
        )
