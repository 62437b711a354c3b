"""What a client may say."""

import json
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, TypeGuard

from apps.contract import ErrorCode, Refusal

MAX_ID_CHARS = 64
MOST_BATCHES = 1_000_000
MOST_MILLISECONDS = 1e15  # the year 33658
MAX_SDP_CHARS = 65_536


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise Refusal(ErrorCode.BAD_REQUEST, sentence)


def _is_text(value: object) -> bool:
    """Whether it is a text that says something and that UTF-8 can carry: JSON may hold others."""
    if not isinstance(value, str) or not value.strip():
        return False
    return not any("\ud800" <= sign <= "\udfff" for sign in value)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable()


def _check_id(value: object, *, name: str = "id") -> None:
    _require(
        _is_id(value),
        f"{name} must be a text of 1 to {MAX_ID_CHARS} printable characters.",
    )


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A question about what the camera sees now, or about an answered question's frame.

    Attributes:
        keep_frame: keep this question's frame for further ones, as long as a frame is kept.
        frame: id of the question whose frame this one is about; it is kept on.
    """

    type: ClassVar[Literal["chat"]] = "chat"
    content: str
    id: str
    keep_frame: bool = False
    frame: str | None = None

    def __post_init__(self) -> None:
        _check_id(self.id)
        _require(isinstance(self.keep_frame, bool), "keep_frame must be true or false.")
        if self.frame is not None:
            _check_id(self.frame, name="frame")
        _require(_is_text(self.content), "content must be a text that is not empty.")


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop answering a question."""

    type: ClassVar[Literal["cancel"]] = "cancel"
    id: str

    def __post_init__(self) -> None:
        _check_id(self.id)


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Send again what came after batch ``after`` of an answer."""

    type: ClassVar[Literal["resume"]] = "resume"
    id: str
    after: int = 0

    def __post_init__(self) -> None:
        _check_id(self.id)
        _require(
            isinstance(self.after, int)
            and not isinstance(self.after, bool)
            and 0 <= self.after <= MOST_BATCHES,
            f"after must be a whole number from 0 to {MOST_BATCHES}.",
        )


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A WebRTC session description (RFC 8866) that offers one video track."""

    type: ClassVar[Literal["offer"]] = "offer"
    sdp: str

    def __post_init__(self) -> None:
        _require(
            isinstance(self.sdp, str) and 0 < len(self.sdp) <= MAX_SDP_CHARS,
            f"sdp must be a text of 1 to {MAX_SDP_CHARS} characters.",
        )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trickled ICE candidate (RFC 8838). Checked for shape, then dropped: the server learns the
    client's address from the client's own checks and never sends to one it was told."""

    type: ClassVar[Literal["candidate"]] = "candidate"
    candidate: str | dict[str, Any] | None

    def __post_init__(self) -> None:
        line = self.candidate
        if isinstance(line, dict):
            line = line.get("candidate", "")
        _require(line is None or isinstance(line, str), "candidate must be a text, object or null.")


@dataclass(frozen=True, kw_only=True)
class Live:
    """Answer a standing prompt on sampled frames, ``rate`` times a second at most."""

    type: ClassVar[Literal["live"]] = "live"
    prompt: str
    rate: float | None = None

    def __post_init__(self) -> None:
        _require(_is_text(self.prompt), "prompt must be a text that is not empty.")
        rate = self.rate
        _require(
            rate is None
            or (isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate <= 30),
            "rate must be a number above 0 and at most 30 per second.",
        )


@dataclass(frozen=True, kw_only=True)
class LiveStop:
    """End live mode."""

    type: ClassVar[Literal["live_stop"]] = "live_stop"


@dataclass(frozen=True, kw_only=True)
class Ping:
    """The client's heartbeat.

    Attributes:
        echo: ``at`` of the last pong, if there was one.
        held: ms from that pong's arrival at the client to this ping. Together they tell the round
            trip, as LSR and DLSR do in RTCP (RFC 3550 section 6.4.1).
    """

    type: ClassVar[Literal["ping"]] = "ping"
    echo: float | None = None
    held: float | None = None

    def __post_init__(self) -> None:
        for value in (self.echo, self.held):
            _require(
                value is None
                or (
                    isinstance(value, int | float)
                    and not isinstance(value, bool)
                    and abs(value) <= MOST_MILLISECONDS  # False for NaN as well
                ),
                "echo and held must be numbers, in milliseconds.",
            )

    def round_trip(self, *, now: float) -> float | None:
        """Return the round trip in seconds at ``now`` (s since the epoch), if it can be told."""
        if self.echo is None or self.held is None:
            return None
        return now - (self.echo + self.held) / 1000


ClientMessage = Chat | Cancel | Resume | Offer | Candidate | Live | LiveStop | Ping
_CLIENT_TYPES: dict[str, type[ClientMessage]] = {
    kind.type: kind for kind in (Chat, Cancel, Resume, Offer, Candidate, Live, LiveStop, Ping)
}


def parse(text: str, *, new_id: str) -> ClientMessage:
    """Return the message in ``text``.

    Args:
        text: one JSON object.
        new_id: the id of a question that came without one.

    Raises:
        Refusal: ``bad_json``, ``unknown_type`` or ``bad_request``.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(ErrorCode.BAD_JSON, "The message is not JSON.") from None
    if not isinstance(data, dict):
        raise Refusal(ErrorCode.BAD_JSON, "The message is not a JSON object.")
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in _CLIENT_TYPES:
        known = ", ".join(_CLIENT_TYPES)
        raise Refusal(ErrorCode.UNKNOWN_TYPE, f"type must be one of {known}.")
    if kind == "chat":
        data.setdefault("id", new_id)
    return _build(_CLIENT_TYPES[kind], data)


def _build(kind: type[ClientMessage], data: dict[str, Any]) -> ClientMessage:
    """Build the message from its known fields; others are ignored, so that clients may grow."""
    known = {item.name: item for item in fields(kind)}
    question = data.get("id") if "id" in known else None
    # Said back only if it is one: what can't be an id may not be sendable either.
    named = question if _is_id(question) else None
    lacking = [
        name
        for name, item in known.items()
        if name not in data and item.default is MISSING and item.default_factory is MISSING
    ]
    if lacking:
        detail = f"A message of type {kind.type} needs {' and '.join(lacking)}."
        raise Refusal(ErrorCode.BAD_REQUEST, detail, id=named)
    try:
        return kind(**{name: value for name, value in data.items() if name in known})
    except Refusal as refusal:
        refusal.id = named
        raise
