"""The live settings in force, as this process knows them.

`current()` does no I/O and may be called anywhere. What it returns is as old as the last
`refresh()`: web processes and workers refresh every second, so a change is in force everywhere
within two seconds. When the database does not answer, the last known values
stay in force.
"""

import logging
from dataclasses import asdict

from django.conf import settings
from django.db import DatabaseError

from apps.live_settings.definitions import DEFINITIONS, InvalidSetting, LiveSettings, Value
from apps.live_settings.models import Override

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0


class _Cache:
    """What this process read last; a new object takes its place, so no lock is needed."""

    values: LiveSettings | None = None


def defaults() -> LiveSettings:
    """The environment's values."""
    return LiveSettings(
        frame_sample_rate=settings.FRAME_SAMPLE_RATE,
        response_max_tokens=settings.RESPONSE_MAX_TOKENS,
        system_prompt=settings.SYSTEM_PROMPT,
        enable_face_blur=settings.ENABLE_FACE_BLUR,
        enable_nsfw_filter=settings.ENABLE_NSFW_FILTER,
        max_sessions=settings.MAX_SESSIONS,
        max_sessions_per_user=settings.MAX_SESSIONS_PER_USER,
        max_sessions_per_address=settings.MAX_SESSIONS_PER_ADDRESS,
        max_questions_per_minute=settings.MAX_QUESTIONS_PER_MINUTE,
        max_answers_per_user=settings.MAX_ANSWERS_PER_USER,
        max_queue_depth=settings.MAX_QUEUE_DEPTH,
        notice="",
        accept_sessions=True,
    )


def current() -> LiveSettings:
    """The values in force, without asking the database."""
    return _Cache.values or defaults()


def refresh() -> LiveSettings:
    """Reads the values in force from the database; not for the event loop."""
    try:
        changed = dict(Override.objects.values_list("name", "value"))
    except DatabaseError as error:
        logger.warning("The live settings can't be read: %s", type(error).__name__)
        return current()
    values: dict[str, Value] = {**asdict(defaults()), **_usable(changed)}
    _Cache.values = LiveSettings(**values)  # type: ignore[arg-type]  # checked by _usable
    return _Cache.values


def forget() -> None:
    """Drops the cached values, so that the environment's are in force; for tests."""
    _Cache.values = None


def _usable(changed: dict[str, object]) -> dict[str, Value]:
    """Those stored values that this version takes: another version may have stored some."""
    usable: dict[str, Value] = {}
    for name, value in changed.items():
        if name not in DEFINITIONS:
            continue
        try:
            usable[name] = DEFINITIONS[name].checked(value)
        except InvalidSetting as error:
            logger.warning("A stored live setting is passed over: %s", error)
    return usable
