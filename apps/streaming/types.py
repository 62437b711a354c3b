"""The types of a stream's messages to processes that have no stream.

Nothing here imports aiortc, so that a worker need not load it.
"""

from dataclasses import dataclass
from typing import Literal

PeerState = Literal["connecting", "connected", "stalled", "closed"]

CapturePurpose = Literal["asked", "live", "live_if_changed", "live_again"]
"""What a frame is captured for: for a person's question (`asked`) or for live mode. There,
`live_if_changed` gives no frame while the scene is as it was at the last answer, and `live_again`
replaces a frame that still waits for the model."""


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
