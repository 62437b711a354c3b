"""What the server says."""

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class FrameInfo:
    """The frame an answer is about.

    Attributes:
        age_ms: from capture to the request at the model server, ms.
        width, height: size in pixels as the model was given it.
        captured_at: ms since the epoch.
    """

    age_ms: int
    width: int
    height: int
    captured_at: int


@dataclass(frozen=True, kw_only=True)
class Ready:
    """First message of a socket: the session may be used."""

    type: ClassVar[Literal["ready"]] = "ready"
    session_id: str
    limits: dict[str, float]
    model: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The WebRTC answer to an offer. Not to be confused with a model's answer (``Response``)."""

    type: ClassVar[Literal["answer"]] = "answer"
    sdp: str


@dataclass(frozen=True, kw_only=True)
class Queued:
    """The question is taken; ``position`` 1 is next."""

    type: ClassVar[Literal["queued"]] = "queued"
    id: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Token:
    """Batch ``seq`` (1, 2, 3 …) of an answer's text."""

    type: ClassVar[Literal["token"]] = "token"
    id: str
    seq: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Response:
    """The whole answer.

    Attributes:
        inference_time: from the request at the model server to its last token, s.
        ttft: from the question's arrival here to the model's first token, s.
    """

    type: ClassVar[Literal["response"]] = "response"
    id: str
    text: str
    inference_time: float
    ttft: float
    frame: dict[str, int]
    usage: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class LiveText:
    """One answer of live mode.

    Attributes:
        unchanged: the scene is as it was: ``text`` is the last answer, the model was not asked.
    """

    type: ClassVar[Literal["live"]] = "live"
    text: str
    inference_time: float
    frame: dict[str, int]
    unchanged: Literal[True] | None = None


@dataclass(frozen=True, kw_only=True)
class Error:
    """Something could not be done; ``id`` names the question when there is one."""

    type: ClassVar[Literal["error"]] = "error"
    error: str
    detail: str
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """State of the camera's stream as the server sees it."""

    type: ClassVar[Literal["stream"]] = "stream"
    state: str
    width: int
    height: int
    fps: float
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The session has ended; the socket closes next."""

    type: ClassVar[Literal["ended"]] = "ended"
    reason: str
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What the operator has to tell everybody; empty: nothing any more."""

    type: ClassVar[Literal["notice"]] = "notice"
    text: str


@dataclass(frozen=True, kw_only=True)
class Pong:
    """Reply to a ping, sent ``at`` (ms since the epoch)."""

    type: ClassVar[Literal["pong"]] = "pong"
    at: float


ServerMessage = (
    Ready | Answer | Queued | Token | Response | LiveText | Error | Stream | Notice | Ended | Pong
)


def to_wire(message: ServerMessage) -> str:
    """Return a message as JSON text; fields that are ``None`` are left out."""
    body: dict[str, Any] = {"type": message.type}
    for item in fields(message):
        value = getattr(message, item.name)
        if value is not None:
            body[item.name] = value
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
