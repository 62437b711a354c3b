"""A client of the platform, to take and use: open a session, send video, ask, watch.

It speaks the public contract (`docs/protocol.md`) and nothing else: no module of the platform is
imported. Besides Python it needs aiortc, httpx and websockets.
"""

from deploy.client.answer import Answer
from deploy.client.camera import Camera
from deploy.client.errors import ConnectionLost, Message, Refused
from deploy.client.session import Session, open_session

__all__ = ["Answer", "Camera", "ConnectionLost", "Message", "Refused", "Session", "open_session"]
