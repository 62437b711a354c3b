"""Error codes and close codes, as clients get them. Change one, and you break clients."""

from enum import IntEnum, StrEnum
from typing import Self


class CloseCode(IntEnum):
    """Why the server closes a socket (RFC 6455 section 7.4; 4000-4999 are the application's)."""

    GOING_AWAY = 1001
    RESTARTING = 1012
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    ENDED = 4404
    IDLE = 4408
    TAKEN_OVER = 4409
    MESSAGE_TOO_LARGE = 4413
    TOO_MANY_MESSAGES = 4429


class ErrorCode(StrEnum):
    """What went wrong, for programs; the text is what stands in `error`.

    Attributes:
        status: of the HTTP reply; `None` where it is told on the socket or on a page only.
        close: what a socket is closed with for this reason; `None` where it stays open.
    """

    status: int | None
    close: CloseCode | None

    def __new__(cls, code: str, status: int | None = None, close: CloseCode | None = None) -> Self:
        """Make a member of its text, its HTTP status and its close code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.close = close
        return member

    # The message.
    BAD_JSON = "bad_json", 400
    UNKNOWN_TYPE = "unknown_type"
    BAD_REQUEST = "bad_request", 400
    QUESTION_TOO_LONG = "question_too_long"
    MESSAGE_TOO_LARGE = "message_too_large", 413, CloseCode.MESSAGE_TOO_LARGE
    UNKNOWN_QUESTION = "unknown_question"
    NOT_FOUND = "not_found", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405

    # The token, and whose page it is.
    NOT_AUTHENTICATED = "not_authenticated", 401, CloseCode.NOT_AUTHENTICATED
    SESSION_ENDED = "session_ended", 401, CloseCode.ENDED
    FORBIDDEN = "forbidden", 403, CloseCode.FORBIDDEN
    INVALID_CREDENTIALS = "invalid_credentials", 401
    LOGIN_CHANGED = "login_changed", 409

    # A limit.
    RATE_LIMITED = "rate_limited", 429, CloseCode.TOO_MANY_MESSAGES
    BUSY = "busy"
    SESSION_LIMIT = "session_limit", 503
    USER_SESSION_LIMIT = "user_session_limit", 429
    ADDRESS_SESSION_LIMIT = "address_session_limit", 429
    DRAINING = "draining", 503

    # The offer.
    OFFER_INVALID = "offer_invalid", 400
    OFFER_TOO_LARGE = "offer_too_large", 413
    VIDEO_MISSING = "video_missing", 400
    TOO_MANY_TRACKS = "too_many_tracks", 400
    AUDIO_REFUSED = "audio_refused", 400
    DATA_CHANNEL_REFUSED = "data_channel_refused", 400
    CODEC_UNSUPPORTED = "codec_unsupported", 400
    STREAM_FAILED = "stream_failed", 503

    # The picture.
    NO_STREAM = "no_stream"
    NO_FRAME = "no_frame"
    STREAM_STALLED = "stream_stalled"
    FRAME_TOO_LARGE = "frame_too_large"
    FRAME_GONE = "frame_gone"
    NSFW_REFUSED = "nsfw_refused"
    FILTER_FAILED = "filter_failed"

    # The answer.
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_ERROR = "model_error"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    ASKER_LEFT = "asker_left"

    # The server.
    UNAVAILABLE = "unavailable", None, CloseCode.RESTARTING
    INTERNAL_ERROR = "internal_error", 500
    UPLOADS_FORBIDDEN = "uploads_forbidden", 403

    # Our own pages: the console's calls, and forms, which show the sentence alone.
    INVALID_SETTING = "invalid_setting", 400
    INVITATION_INVALID = "invitation_invalid"
    USERNAME_TAKEN = "username_taken"
