"""An answer while it comes: its text in order and whole, whatever the socket does meanwhile."""

from collections.abc import AsyncIterator

from deploy.client.errors import ConnectionLost, Message, Refused
from deploy.client.feed import Feed


class Answer:
    """The answer to one question. Iterate over it for its text, piece by piece as it comes.

    The iteration raises `Refused` when the question got an error or the answer broke off with one,
    and `ConnectionLost` when the socket was closed; after `Camera.reconnect` iterate again.

    Attributes:
        id: of the question.
        last: number of the last batch of text taken, 0 before the first.
        ended: whether no more of it will come.
        response: the `response` message once the whole answer is there, `None` before.
    """

    def __init__(self, question_id: str) -> None:
        self.id = question_id
        self.last = 0
        self.ended = False
        self.response: Message | None = None
        self._received = ""
        # No bound of its own: the server bounds an answer by its number of tokens.
        self._texts: Feed[str] = Feed()

    def take(self, message: Message) -> bool:
        """Take a message with this question's id; return whether batches before it are missing.

        A batch that came already, as some do after `resume`, is dropped.
        """
        kind = message["type"]
        if kind == "token":
            if message["seq"] != self.last + 1:
                return bool(message["seq"] > self.last)
            self.last += 1
            self._add(message["text"])
        elif kind == "response":
            # It has the whole text, so what was missing until now comes with it.
            self._add(message["text"][len(self._received) :])
            self.response = message
            self._end(None)
        elif kind == "error":
            self._end(Refused.from_message(message))
        return False

    def lose(self, lost: ConnectionLost) -> None:
        """Raise this to whoever waits for more: the socket was closed."""
        self._texts.stop(lost)

    def resume(self) -> None:
        """Wait for more again: there is another socket."""
        self._texts.go_on()

    async def whole(self) -> Message:
        """Wait for the end; return the `response` message. Raises what the iteration does."""
        async for _ in self:
            pass
        if self.response is None:
            raise RuntimeError("The answer has ended without a response.")
        return self.response

    def __aiter__(self) -> AsyncIterator[str]:
        """Yield the text piece by piece. A second iteration goes on where the first one stopped."""
        return self._texts.__aiter__()

    def _add(self, text: str) -> None:
        self._received += text
        if text:
            self._texts.put(text)

    def _end(self, error: Refused | None) -> None:
        self.ended = True
        self._texts.stop(error)
