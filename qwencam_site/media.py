"""The media path's configuration, from the settings."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.streaming.config import MediaConfig, parse_ice_servers
from apps.streaming.limits import FrameLimits


def media_config() -> MediaConfig:
    """Return limits and addresses of this process's peer connections.

    Raises:
        ImproperlyConfigured: a setting can't work; the sentence names it.
    """
    try:
        return MediaConfig(
            limits=FrameLimits(
                max_width=settings.MAX_FRAME_WIDTH, max_height=settings.MAX_FRAME_HEIGHT
            ),
            ice_servers=parse_ice_servers(settings.ICE_SERVERS),
            public_address=settings.ICE_PUBLIC_ADDRESS,
            port_range=settings.ICE_PORT_RANGE,
            silence_seconds=settings.PEER_SILENCE_SECONDS,
            stall_seconds=settings.FRAME_MAX_AGE_SECONDS,
        )
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from error
