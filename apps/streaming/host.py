"""All cameras of this process, by session."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import Any, Final

from apps.contract import ErrorCode, Refusal
from apps.streaming import datagrams, decoder, metrics
from apps.streaming.config import MediaConfig
from apps.streaming.offers import vet_offer
from apps.streaming.peer import PeerSession
from apps.streaming.types import StreamState

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 1.0
_FPS_CHANGE: Final = 0.2
"""Change of the frame rate, as a share of it, from which on it is published."""

Subscriber = Callable[[StreamState], None]


class MediaHost:
    """Owns the peer of every session that sent its offer here, and ends those that fall silent.

    One a process, made without a running loop and used on one loop. Callers authenticate. It calls
    subscribers on the loop, so they must not block, with each change of a stream in order.
    """

    def __init__(self, config: MediaConfig) -> None:
        """Guard this process's decoders and UDP ports, and start with no peers."""
        datagrams.install()
        decoder.install(config.limits)
        self._config = config
        self._peers: dict[str, PeerSession] = {}
        self._tickets: dict[str, int] = {}
        self._next_ticket = count()
        self._subscribers: list[Subscriber] = []
        self._published: dict[str, StreamState] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        """Return how many sessions have a peer."""
        return len(self._peers)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every `StreamState` from now on; return how to stop it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def get(self, session_id: str) -> PeerSession | None:
        """Return that session's peer, if it has one here."""
        return self._peers.get(session_id)

    def require(self, session_id: str) -> PeerSession:
        """Return that session's peer, or raise a `Refusal`: no_stream."""
        peer = self._peers.get(session_id)
        if peer is None:
            raise Refusal(ErrorCode.NO_STREAM, "The camera is not connected.")
        return peer

    async def accept(self, session_id: str, sdp: str) -> str:
        """Answer an offer; the session's older peer, if any, is replaced.

        Raises a `Refusal`; the older peer goes on then. Of offers that overlap, the last wins.
        """
        try:
            answer = await self._answer(session_id, sdp)
        except Refusal as refusal:
            metrics.OFFERS.labels(outcome=refusal.code).inc()
            raise
        metrics.OFFERS.labels(outcome="answered").inc()
        return answer

    async def _answer(self, session_id: str, sdp: str) -> str:
        if self._closed:
            raise Refusal(ErrorCode.STREAM_FAILED, "The server is stopping.")
        offer = vet_offer(sdp, max_bytes=self._config.max_offer_bytes)
        ticket = self._tickets[session_id] = next(self._next_ticket)
        self._ensure_sweeper()
        # A stream outlives the request that offered it, so it must not inherit its context: the
        # thread that Django's calls would go back to is gone by then.
        return await asyncio.create_task(
            self._open(session_id, offer, ticket=ticket), context=Context()
        )

    async def _open(self, session_id: str, offer: str, *, ticket: int) -> str:
        peer = PeerSession(self._config, on_change=lambda peer: self._changed(session_id, peer))
        try:
            answer = await peer.answer(offer)
        finally:
            is_newest = self._tickets.get(session_id) == ticket
            if is_newest:
                del self._tickets[session_id]
        if not is_newest:
            await peer.aclose()
            raise Refusal(ErrorCode.STREAM_FAILED, "A newer offer or an end came in between.")
        older = self._peers.get(session_id)
        self._peers[session_id] = peer
        if older is not None:
            self._spawn(older.aclose())
        self._changed(session_id, peer)
        return answer

    async def close(self, session_id: str, reason: str = "The stream was ended.") -> bool:
        """End that session's peer; return whether there was one."""
        self._tickets.pop(session_id, None)
        peer = self._peers.pop(session_id, None)
        if peer is None:
            return False
        self._published.pop(session_id, None)
        await peer.aclose()
        if session_id not in self._peers:
            self._publish(StreamState(session_id=session_id, state="closed", reason=reason))
        return True

    async def aclose(self) -> None:
        """End everything; the host accepts nothing afterwards."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        self._tickets.clear()
        closing = [self.close(session_id, "The server is stopping.") for session_id in self._peers]
        await asyncio.gather(*closing, *self._tasks, return_exceptions=True)

    def _changed(self, session_id: str, peer: PeerSession) -> None:
        if self._peers.get(session_id) is not peer:
            return
        if peer.lost:
            self._spawn(self._retire(session_id, peer, peer.lost))
            return
        state = _state_of(session_id, peer)
        if _is_noticeable(self._published.get(session_id), state):
            self._published[session_id] = state
            self._publish(state)

    async def _retire(self, session_id: str, peer: PeerSession, reason: str) -> None:
        if self._peers.get(session_id) is peer:
            await self.close(session_id, reason)

    def _publish(self, state: StreamState) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(state)
            except Exception:
                logger.exception("A subscriber to stream states failed.")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception:
            logger.exception("A stream could not be ended.")

    def _ensure_sweeper(self) -> None:
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep(), context=Context())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for session_id, peer in tuple(self._peers.items()):
                try:
                    peer.check()
                    self._changed(session_id, peer)
                except Exception:
                    logger.exception("A stream could not be checked.")


def _state_of(session_id: str, peer: PeerSession) -> StreamState:
    stats = peer.stats
    return StreamState(
        session_id=session_id,
        state=stats.state,
        width=stats.width,
        height=stats.height,
        fps=round(stats.fps, 1),
        error=peer.error,
    )


def _is_noticeable(last: StreamState | None, now: StreamState) -> bool:
    """Whether a state differs by more than the usual wobble of a frame rate."""
    if last is None:
        return True
    same = (last.state, last.width, last.height, last.error) == (
        now.state,
        now.width,
        now.height,
        now.error,
    )
    return not same or abs(now.fps - last.fps) > _FPS_CHANGE * max(last.fps, 1.0)
