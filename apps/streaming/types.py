"""What streams are told and tell, for processes that hold none: nothing here imports WebRTC."""

from dataclasses import dataclass
from typing import Literal

PeerState = Literal["connecting", "connected", "stalled", "closed"]

Wish = Literal["asked", "live", "live_if_changed", "live_again"]
"""What a frame is wanted for: a person's question, or live mode's; there also only if the scene
has changed since the last one, or in place of one that still waits for the model."""


@dataclass(frozen=True)
class StreamState:
    """What a session's stream is doing. `error` is a code of the contract; sizes are pixels.

    `reason` is a sentence, for a stream that closed.
    """

    session_id: str
    state: PeerState
    width: int = 0
    height: int = 0
    fps: float = 0.0
    error: str | None = None
    reason: str = ""
