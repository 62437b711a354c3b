"""The ASGI application: HTTP by Django, WebSockets by Channels, media in the same process."""

import os
import sys

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qwencam_site.settings")
try:
    django_application = get_asgi_application()
except ImproperlyConfigured as error:  # Its sentence names the setting; a traceback hides it.
    sys.exit(f"A setting is wrong. {error}")

# Models may be imported only now that the apps are loaded.
from apps.chat.consumers import SessionConsumer
from apps.chat.process import ProcessScope
from apps.console.consumers import ConsoleConsumer
from apps.console.polling import ConsolePollerMiddleware
from apps.streaming.host import MediaHost
from qwencam_site.close_codes import allow_server_codes
from qwencam_site.error_boundary import SocketErrorBoundary
from qwencam_site.media import media_config
from qwencam_site.origins import BrowserOrigins

websocket_routes = [
    path("ws/console", CookieMiddleware(ConsolePollerMiddleware(ConsoleConsumer.as_asgi()))),
    path("ws/<uuid:session_id>", SessionConsumer.as_asgi()),
    # Without it Channels raises an exception for a path that has no route.
    re_path("", WebsocketDenier.as_asgi()),
]

allow_server_codes()
application = ProcessScope(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "websocket": SocketErrorBoundary(BrowserOrigins(URLRouter(websocket_routes))),
        }
    ),
    host=MediaHost(media_config()),
)
