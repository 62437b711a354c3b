"""The WebSocket's vocabulary: frozen messages, one ``parse``, one ``to_wire``.

Pure: no socket, no Django. An invalid message can't be built, so nothing behind ``parse`` needs to
look at a message's types again.
"""

from apps.chat.protocol.client import (
    Cancel,
    Candidate,
    Chat,
    ClientMessage,
    Live,
    LiveStop,
    Offer,
    Ping,
    Resume,
    parse,
)
from apps.chat.protocol.refusals import store_away
from apps.chat.protocol.server import (
    Answer,
    Ended,
    Error,
    FrameInfo,
    LiveText,
    Notice,
    Pong,
    Queued,
    Ready,
    Response,
    ServerMessage,
    Stream,
    Token,
    to_wire,
)

SUBPROTOCOL = "qwencam.v1"

__all__ = [
    "SUBPROTOCOL",
    "Answer",
    "Cancel",
    "Candidate",
    "Chat",
    "ClientMessage",
    "Ended",
    "Error",
    "FrameInfo",
    "Live",
    "LiveStop",
    "LiveText",
    "Notice",
    "Offer",
    "Ping",
    "Pong",
    "Queued",
    "Ready",
    "Response",
    "Resume",
    "ServerMessage",
    "Stream",
    "Token",
    "parse",
    "store_away",
    "to_wire",
]
