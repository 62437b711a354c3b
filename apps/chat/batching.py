"""Tokens are sent in batches: a token alone costs a round trip, a late one costs patience."""

BATCH_SECONDS = 0.03
BATCH_CHARS = 200


class ReplyBatcher:
    """Collects an answer's text and says when a batch is due. Pure: the caller gives the time.

    The first text is due at once (it is the time to first token); then a batch is due when the
    last went out ``BATCH_SECONDS`` ago or ``BATCH_CHARS`` have come together.
    """

    def __init__(self) -> None:
        self._pending: list[str] = []
        self._chars = 0
        self._sent_at: float | None = None

    def add(self, text: str, *, now: float) -> str:
        """Add text; return the batch that is due, empty when none is.

        Args:
            now: monotonic time, s.
        """
        self._pending.append(text)
        self._chars += len(text)
        due = self._sent_at is None or now - self._sent_at >= BATCH_SECONDS
        if not due and self._chars < BATCH_CHARS:
            return ""
        self._sent_at = now
        return self.flush()

    def flush(self) -> str:
        """Return what has not been sent yet."""
        batch = "".join(self._pending)
        self._pending.clear()
        self._chars = 0
        return batch
