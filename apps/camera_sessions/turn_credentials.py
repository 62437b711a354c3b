"""Time-limited TURN credentials for the ICE servers that a browser gets.

A TURN server that shares `secret` with us checks them by itself: coturn's `use-auth-secret`,
draft-uberti-behave-turn-rest-00, section 2.2. User name: the expiry in seconds since the epoch,
a colon, the session; credential: the base64 HMAC-SHA1 of the user name.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

CREDENTIAL_SECONDS = 12 * 3600


def ice_servers_with_credentials(
    session_id: UUID, *, servers: Sequence[Mapping[str, Any]], turn_secret: str, now: float
) -> list[dict[str, Any]]:
    """`servers` (RTCIceServer objects), those of TURN with credentials for this session."""
    if not turn_secret:
        return [dict(server) for server in servers]
    credentials = _credentials(session_id, secret=turn_secret, expires_at=now + CREDENTIAL_SECONDS)
    return [{**server, **credentials} if is_turn(server) else dict(server) for server in servers]


def is_turn(server: Mapping[str, Any]) -> bool:
    """Whether any of the server's URLs is turn: or turns:."""
    urls = server["urls"]
    listed = [urls] if isinstance(urls, str) else urls
    return any(url.startswith(("turn:", "turns:")) for url in listed)


def _credentials(session_id: UUID, *, secret: str, expires_at: float) -> dict[str, str]:
    username = f"{int(expires_at)}:{session_id}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return {"username": username, "credential": b64encode(digest).decode()}
