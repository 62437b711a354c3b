"""The ASGI application: HTTP by Django, WebSockets by Channels, media in the same process."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qwencam_site.settings")
django_application = get_asgi_application()

# Models may be imported only now that the apps are loaded.
from apps.chat.consumers import SessionConsumer  # noqa: E402
from apps.chat.process import ProcessScope  # noqa: E402
from apps.console.consumers import ConsoleConsumer  # noqa: E402
from apps.console.watch import ConsoleScope  # noqa: E402
from apps.streaming.host import MediaHost  # noqa: E402
from qwencam_site.close_codes import allow_server_codes  # noqa: E402
from qwencam_site.error_boundary import SocketErrorBoundary  # noqa: E402
from qwencam_site.media import media_config  # noqa: E402
from qwencam_site.origins import BrowserOrigins  # noqa: E402

websocket_routes = [
    path("ws/console", CookieMiddleware(ConsoleScope(ConsoleConsumer.as_asgi()))),
    path("ws/<uuid:session_id>", SessionConsumer.as_asgi()),
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
