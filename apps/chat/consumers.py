"""The WebSocket's door: authenticate, parse, call one function, send.

A handler never waits long (a consumer handles one message at a time): what takes time runs as a
task that the consumer owns and ends.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import uuid4

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.camera_sessions import lifecycle
from apps.camera_sessions.limits import client_limits
from apps.camera_sessions.models import CameraSession, EndReason
from apps.chat import metrics, protocol
from apps.chat.askers import asker_of
from apps.chat.entry import entering
from apps.chat.events import session_group
from apps.chat.failures import kind_and_place
from apps.chat.feed import AnswerFeed
from apps.chat.limits import TokenBucket
from apps.chat.live import LiveMode
from apps.chat.process import ChatProcess
from apps.chat.protocol import ServerMessage
from apps.chat.questions import NewQuestion
from apps.chat.redis_outage import retried
from apps.contract import CloseCode, ErrorCode, Refusal
from apps.fleet import presence
from apps.live_settings.current import current

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
SOCKET_TTL_SECONDS = 8
SEEN_EVERY_SECONDS = 20.0


class SessionConsumer(AsyncWebsocketConsumer):
    """One socket of one camera session."""

    process: ChatProcess
    session: CameraSession
    session_id: str

    def __init__(self) -> None:
        super().__init__()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watches: set[asyncio.Task[Any]] = set()
        self._captures: set[asyncio.Task[Any]] = set()
        self._live: LiveMode | None = None
        self._live_task: asyncio.Task[Any] | None = None
        self._joined = False
        self._closing = False
        self._notice = ""
        self._round_trip = float("inf")
        self.connection = uuid4().hex

    # --- Life ----------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket; however this ends, what the socket owned ends with it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Channels calls it for a client that left, but not after an exception in a handler.
            await self.disconnect(CloseCode.RESTARTING)

    async def connect(self) -> None:
        """Accept the socket, then refuse it with a close code of ours or make it the session's."""
        offered = self.scope.get("subprotocols", [])
        await self.accept(protocol.SUBPROTOCOL if protocol.SUBPROTOCOL in offered else None)
        try:
            wanted = str(self.scope["url_route"]["kwargs"]["session_id"])
            self.session = await entering(offered, session_id=wanted)
        except Refusal as refusal:
            await self._refuse(refusal)
            return
        self.session_id = str(self.session.pk)
        try:
            await self._begin()
        except (RedisError, OSError) as error:
            logger.warning("A socket could not begin: %s", type(error).__name__)
            await self._refuse(protocol.store_away())

    async def _begin(self) -> None:
        self.process = self.scope["chat_process"]
        parts = self.process.services
        self._joined = True
        self.process.sockets.add(self)
        metrics.SOCKETS.inc()
        self._feed = AnswerFeed(self.session_id, questions=parts.questions)
        self._watch = self.process.watch(tell=self._tell_end)
        now = time.monotonic()
        self._messages = TokenBucket(per_minute=settings.MAX_MESSAGES_PER_MINUTE, now=now)
        self._heard_at = self._seen_at = now
        await self.channel_layer.group_add(session_group(self.session_id), self.channel_name)
        await parts.events.socket_opened(self.session_id, self.connection)
        await presence.announce_socket(
            parts.redis, self.session_id, self.connection, ttl=SOCKET_TTL_SECONDS
        )
        self._own(self._heartbeat())
        await self._say(
            protocol.Ready(
                session_id=self.session_id, limits=client_limits(), model=settings.MODEL_NAME
            )
        )
        await self._tell_notice()
        stream = self.process.relay.stream_of(self.session_id)
        if stream is not None:
            await self.stream_changed(asdict(stream))

    async def disconnect(self, code: int) -> None:
        """End everything this socket owned; its peer connection is the media relay's affair.

        May be called again.
        """
        self._closing = True
        self._stop_live()
        for task in list(self._tasks):
            task.cancel()
        if not self._joined:
            return
        self._joined = False
        self.process.sockets.discard(self)
        metrics.SOCKETS.dec()
        try:
            await presence.withdraw_socket(
                self.process.services.redis,
                self.session_id,
                self.connection,
                grace=settings.ASKER_GRACE_SECONDS,
            )
            group = session_group(self.session_id)
            await self.channel_layer.group_discard(group, self.channel_name)
            await self._leave()
        except (RedisError, OSError, DatabaseError) as error:
            logger.warning("A socket left unannounced: %s", type(error).__name__)

    async def restart(self, *, within: float) -> None:
        """Close because the server restarts: the client comes back at once.

        The questions under way are answered first. Those asked meanwhile get their frames, and are
        answered in the server's next life.

        Args:
            within: longest wait for that, s.
        """
        self._stop_live()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                if self._watches:
                    await asyncio.wait(set(self._watches))
                while self._captures:
                    await asyncio.wait(self._captures)
        await self._close(CloseCode.RESTARTING)

    async def _leave(self) -> None:
        """Free what the session holds, unless another socket has taken over."""
        redis = self.process.services.redis
        if await presence.has_socket(redis, self.session_id):
            return
        await database_sync_to_async(lifecycle.note_gone)(self.session.pk)
        if not await presence.has_stream(redis, self.session_id):
            await self.process.services.frames.forget(self.session_id)

    async def _heartbeat(self) -> None:
        """Close a silent socket; tell Redis and the database that this one is here."""
        while not self._closing:  # Not only until cancelled: see LiveMode.stop.
            await asyncio.sleep(HEARTBEAT_SECONDS)
            now = time.monotonic()
            if now - self._heard_at > settings.SOCKET_SILENCE_SECONDS:
                await self._close(CloseCode.GOING_AWAY)
                return
            await self._tell_notice()
            try:
                await presence.announce_socket(
                    self.process.services.redis,
                    self.session_id,
                    self.connection,
                    ttl=SOCKET_TTL_SECONDS,
                )
                if now - self._seen_at > SEEN_EVERY_SECONDS:
                    self._seen_at = now
                    await self._note_seen()
            except (RedisError, OSError, DatabaseError) as error:
                # Redis or the database is away: it is said again in two seconds.
                logger.warning("A socket's heartbeat failed: %s", type(error).__name__)

    async def _tell_notice(self) -> None:
        """Tell the operator's notice when it has changed since it was last told."""
        notice = current().notice
        if notice != self._notice:
            self._notice = notice
            await self._say(protocol.Notice(text=notice))

    async def _note_seen(self) -> None:
        # The event that ends a session may have been missed while Redis was away.
        if not await database_sync_to_async(lifecycle.note_seen)(self.session.pk):
            await self.session.arefresh_from_db(fields=["end_reason", "end_note"])
            reason = EndReason(self.session.end_reason or EndReason.OPERATOR)
            await self._end(reason, note=self.session.end_note)

    # --- From the client -----------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take one message; whatever is wrong with it becomes an error message here."""
        if self._closing:  # The client has been told; what it sent before it heard is not served.
            return
        self._heard_at = time.monotonic()
        if text_data is None:
            await self._say_error(Refusal(ErrorCode.BAD_JSON, "The message is not a text."))
            return
        if len(text_data.encode()) > settings.MAX_MESSAGE_BYTES:
            detail = f"A message may have {settings.MAX_MESSAGE_BYTES} bytes at most."
            await self._refuse(Refusal(ErrorCode.MESSAGE_TOO_LARGE, detail))
            return
        if not self._messages.take(now=self._heard_at):
            detail = f"More than {settings.MAX_MESSAGES_PER_MINUTE} messages a minute."
            await self._refuse(Refusal(ErrorCode.RATE_LIMITED, detail))
            return
        question_id: str | None = None
        try:
            message = protocol.parse(text_data, new_id=uuid4().hex)
            question_id = getattr(message, "id", None)
            await self._act(message)
        except Refusal as refusal:
            await self._say_error(refusal)
        except (RedisError, OSError) as error:
            logger.warning("A message could not be served: %s", type(error).__name__)
            await self._say_error(protocol.store_away(id=question_id))

    async def _act(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Ping():
                self._note_round_trip(message)
                await self._say(protocol.Pong(at=round(time.time() * 1000, 1)))
            case protocol.Chat():
                await self._ask(message)
            case protocol.Resume():
                self._own(self._resume(message))
            case protocol.Cancel():
                await self._cancel(message)
            case protocol.Offer():
                self._own(self._negotiate(message.sdp))
            case protocol.Live():
                self._start_live(message)
            case protocol.LiveStop():
                self._stop_live()
            case protocol.Candidate():
                pass  # The client's own checks tell its address: see Candidate.

    def _note_round_trip(self, ping: protocol.Ping) -> None:
        seconds = ping.round_trip(now=time.time())
        if seconds is not None:
            self._round_trip = min(self._round_trip, seconds)
            self._tell_round_trip()

    def _tell_round_trip(self) -> None:
        """Tell the stream, if it is here, the shortest round trip of this socket."""
        peer = self.process.host.get(self.session_id)
        if peer is not None:
            peer.note_round_trip(self._round_trip)

    async def _ask(self, chat: protocol.Chat) -> None:
        new = NewQuestion(
            session_id=self.session_id,
            id=chat.id,
            text=chat.content,
            asker=asker_of(self.session),
            keep_frame=chat.keep_frame or chat.frame is not None,
        )
        position = await self.process.asking.take(new)
        self._feed.follow(chat.id)
        # Not a task of this socket's: cut short, it would leave the question waiting for its frame.
        capture = self.process.run(self._bring_frame(chat))
        self._captures.add(capture)
        capture.add_done_callback(self._captures.discard)
        self._watch_over(chat.id)
        metrics.QUESTIONS.inc()
        await self._say(protocol.Queued(id=chat.id, position=position))

    async def _bring_frame(self, chat: protocol.Chat) -> None:
        asking = self.process.asking
        try:
            if chat.frame is None:
                await retried(partial(asking.bring_frame, self.session_id, chat.id))
            else:
                reuse = partial(asking.reuse_frame, self.session_id, chat.id, of=chat.frame)
                await retried(reuse)
        finally:
            # Counted only now: the database's thread would keep the frame's waiting.
            self._own(self._count_question())

    async def _resume(self, resume: protocol.Resume) -> None:
        # It asks for nothing new: while Redis is away, the question only waits longer.
        rest = await retried(partial(self._feed.resume, resume.id, after=resume.after))
        for message in rest:
            await self._say(message)
        if resume.id in self._feed.followed:
            self._watch_over(resume.id)

    async def _cancel(self, cancel: protocol.Cancel) -> None:
        question = await self.process.services.questions.load(self.session_id, cancel.id)
        if question is None:
            detail = "There is no such question to cancel."
            raise Refusal(ErrorCode.UNKNOWN_QUESTION, detail, id=cancel.id)
        cancelled = Refusal(ErrorCode.CANCELLED, "The question was cancelled.")
        await self.process.asking.fail(self.session_id, cancel.id, cancelled)

    async def _negotiate(self, sdp: str) -> None:
        try:
            answer = await self.process.host.accept(self.session_id, sdp)
        except Refusal as refusal:
            await self._say_error(refusal)
            return
        self._tell_round_trip()
        await self._say(protocol.Answer(sdp=answer))
        await self._note_active()

    def _start_live(self, message: protocol.Live) -> None:
        if len(message.prompt) > settings.MAX_QUESTION_CHARS:
            detail = f"A prompt may have {settings.MAX_QUESTION_CHARS} characters at most."
            raise Refusal(ErrorCode.QUESTION_TOO_LONG, detail)
        most = current().frame_sample_rate
        rate = min(message.rate or most, most)
        if self._live is not None:
            self._live.prompt, self._live.rate = message.prompt, rate
            return
        self._live = LiveMode(
            self.session_id,
            asking=self.process.asking,
            prompt=message.prompt,
            rate=rate,
            refresh=settings.LIVE_REFRESH_SECONDS,
            asker=asker_of(self.session),
            follow=self._follow_live,
            leave=self._feed.drop,
            refused=self._say_error,
        )
        self._live_task = self._own(self._live.run())

    def _follow_live(self, question_id: str) -> None:
        self._feed.follow(question_id)
        self._watch_over(question_id)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
        if self._live_task is not None:
            self._live_task.cancel()
        self._live = self._live_task = None

    # --- From the channel layer ----------------------------------------------------------------

    async def answer_batch(self, event: dict[str, Any]) -> None:
        """A batch of an answer is there."""
        for message in await self._feed.on_batch(event["id"], seq=event["seq"], text=event["text"]):
            await self._say(message)

    async def answer_finished(self, event: dict[str, Any]) -> None:
        """A question has ended."""
        await self._tell_end(event["id"])

    async def stream_changed(self, event: dict[str, Any]) -> None:
        """The camera's stream has a new state."""
        names = ("state", "width", "height", "fps", "error")
        await self._say(protocol.Stream(**{name: event[name] for name in names}))

    async def socket_opened(self, event: dict[str, Any]) -> None:
        """A newer socket serves this session: give way."""
        if event["connection"] != self.connection:
            await self._close(CloseCode.TAKEN_OVER)

    async def session_ended(self, event: dict[str, Any]) -> None:
        """The session is over."""
        await self._end(EndReason(event["reason"]), note=event["note"])

    # --- Small things --------------------------------------------------------------------------

    async def _tell_end(self, question_id: str) -> None:
        for message in await self._feed.on_finished(question_id):
            metrics.observe(message)
            if self._live is not None and self._live.owns(question_id):
                message = self._live.finish(message)
                await self._note_active()
            await self._say(message)

    async def _end(self, reason: EndReason, *, note: str) -> None:
        await self._say(protocol.Ended(reason=reason.value, note=note or None))
        await self._close(CloseCode.IDLE if reason is EndReason.IDLE else CloseCode.ENDED)

    def _watch_over(self, question_id: str) -> None:
        """Watch over a question until its end has been told."""
        watch = self._own(self._watch.until_ended(self.session_id, question_id))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    def _own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("A task of a socket failed: %s", kind_and_place(error))

    async def _count_question(self) -> None:
        await database_sync_to_async(lifecycle.count)(self.session.pk, questions=1)
        await self._note_active()

    async def _note_active(self) -> None:
        await database_sync_to_async(lifecycle.touch)(
            self.session.pk, idle_seconds=settings.SESSION_IDLE_SECONDS
        )

    async def _say(self, message: ServerMessage) -> None:
        await self.send(text_data=protocol.to_wire(message))

    async def _say_error(self, refusal: Refusal) -> None:
        metrics.ERRORS.labels(refusal.code).inc()
        await self.process.services.statistics.failed(refusal.code, session_id=self.session_id)
        await self._say(protocol.Error(id=refusal.id, **refusal.as_dict()))

    async def _refuse(self, refusal: Refusal) -> None:
        """Say why, and close the socket with the code that belongs to it."""
        metrics.ERRORS.labels(refusal.code).inc()
        await self._say(protocol.Error(**refusal.as_dict()))
        await self._close(refusal.code.close or CloseCode.RESTARTING)

    async def _close(self, code: CloseCode) -> None:
        self._closing = True
        await self.close(int(code))  # The protocol library takes no enum.
