"""An answer that one server began and another goes on with. Pure."""

from apps.contract import ErrorCode, Refusal
from apps.inference.completion import Delta, ServerUnavailable, Usage


class ResumedAnswer:
    """What is new of each part that a server sends, whichever servers sent the parts before.

    The model decodes greedily, so another server gives the same answer, as a rule: it says again
    what was said, and then goes on.
    """

    def __init__(self) -> None:
        self._text = ""
        self._to_repeat = ""

    def begin(self) -> None:
        """A server begins to answer: what was said must come again first."""
        self._to_repeat = self._text

    def new(self, part: Delta | Usage) -> Delta | Usage | None:
        """What `part` says beyond what was said; None where that is nothing.

        Raises a `Refusal` for another answer than the one begun: half an answer of each would be
        worse than an error. No further server is tried then, as it may differ again.
        """
        text = part.text if isinstance(part, Delta) else ""
        if self._to_repeat:
            due = self._to_repeat
            if not text or not (due.startswith(text) or text.startswith(due)):
                raise Refusal(ErrorCode.MODEL_UNAVAILABLE, ServerUnavailable.went_away().detail)
            text, self._to_repeat = text[len(due) :], due[len(text) :]
            if not text:
                return None
            part = Delta(text)
        self._text += text
        return part
