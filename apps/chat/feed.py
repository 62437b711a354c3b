"""Brings answers to one socket, in order and without a gap.

Events only hint at news: the store is the truth. A batch that follows the last one sent goes out
as it came; any other sends everything after the last one from the store, so an event that the
channel layer dropped costs nothing.
"""

import asyncio
from typing import Any

from apps.chat.protocol import Error, LiveText, Response, ServerMessage, Token
from apps.chat.questions import Question, QuestionStore, State
from apps.contract import ErrorCode


class AnswerFeed:
    """The answers that one socket follows; nothing is told twice, whoever asks at once."""

    def __init__(self, session_id: str, *, questions: QuestionStore) -> None:
        self._session_id = session_id
        self._questions = questions
        self._sent: dict[str, int] = {}
        self._lock = asyncio.Lock()

    @property
    def followed(self) -> list[str]:
        """Ids of the questions whose answers are still under way."""
        return list(self._sent)

    def follow(self, question_id: str, *, after: int = 0) -> None:
        """Deliver what comes after batch ``after`` of this question's answer."""
        self._sent[question_id] = after

    def drop(self, question_id: str) -> None:
        """Deliver no more of this question."""
        self._sent.pop(question_id, None)

    async def on_batch(self, question_id: str, *, seq: int, text: str) -> list[ServerMessage]:
        """Return the tokens to send when batch ``seq`` is said to be there."""
        async with self._lock:
            if question_id not in self._sent or seq <= self._sent[question_id]:
                return []
            if seq > self._sent[question_id] + 1:
                return await self._catch_up(question_id)
            self._sent[question_id] = seq
            return [Token(id=question_id, seq=seq, text=text)]

    async def on_finished(self, question_id: str) -> list[ServerMessage]:
        """Return what is left to send of a question that is said to have ended."""
        async with self._lock:
            return await self._rest(question_id) if question_id in self._sent else []

    async def _rest(self, question_id: str) -> list[ServerMessage]:
        messages = await self._catch_up(question_id)
        question = await self._questions.load(self._session_id, question_id)
        if question_id not in self._sent:  # Dropped meanwhile.
            return []
        if question is None:
            self.drop(question_id)
            return [*messages, lost(question_id)]
        if question.state not in {State.DONE, State.FAILED}:
            return messages
        self.drop(question_id)
        return [*messages, await self._end(question)]

    async def resume(self, question_id: str, *, after: int) -> list[ServerMessage]:
        """Return everything after batch ``after``, and the end if the answer has ended."""
        self.follow(question_id, after=after)
        return await self.on_finished(question_id)

    async def _catch_up(self, question_id: str) -> list[ServerMessage]:
        first = self._sent[question_id] + 1
        texts = await self._questions.batches(self._session_id, question_id, after=first - 1)
        if question_id not in self._sent:
            return []
        self._sent[question_id] = first - 1 + len(texts)
        return [
            Token(id=question_id, seq=seq, text=text) for seq, text in enumerate(texts, start=first)
        ]

    async def _end(self, question: Question) -> ServerMessage:
        if question.state is State.FAILED:
            return failure(question.id, question.outcome)
        if question.live:
            outcome = question.outcome
            return LiveText(
                text=outcome.get("text", ""),
                inference_time=outcome.get("inference_time", 0.0),
                frame=outcome["frame"],
                unchanged=outcome.get("unchanged"),
            )
        texts = await self._questions.batches(self._session_id, question.id, after=0)
        return Response(id=question.id, text="".join(texts), **question.outcome)


def failure(question_id: str, outcome: dict[str, Any]) -> Error:
    """Return the error message of a question that failed."""
    return Error(id=question_id, error=outcome["error"], detail=outcome["detail"])


def lost(question_id: str) -> Error:
    """Return the error message of a question that is not in the store."""
    return Error(
        id=question_id,
        error=ErrorCode.UNKNOWN_QUESTION,
        detail="This question is not known here any more; please ask again.",
    )
