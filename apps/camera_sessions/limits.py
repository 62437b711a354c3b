"""The limits that a client gets to know, so that it need not run into them."""

from django.conf import settings

from apps.live_settings.current import current


def client_limits() -> dict[str, float]:
    """Characters, bytes, seconds, pixels, times per second or minute: the names say which."""
    live = current()
    return {
        "question_chars": settings.MAX_QUESTION_CHARS,
        "questions_per_minute": live.max_questions_per_minute,
        "message_bytes": settings.MAX_MESSAGE_BYTES,
        "frame_wait_seconds": settings.FRAME_WAIT_SECONDS,
        "frame_keep_seconds": settings.FRAME_TTL_SECONDS,
        "live_rate": live.frame_sample_rate,
        "idle_seconds": settings.SESSION_IDLE_SECONDS,
        "frame_width": settings.MAX_FRAME_WIDTH,
        "frame_height": settings.MAX_FRAME_HEIGHT,
        "frame_edge": settings.FRAME_MAX_EDGE,
    }
