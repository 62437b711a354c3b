"""Lets daphne close a WebSocket with the standard codes for a server that stops or restarts."""

import sys
from typing import Any

# RFC 6455 section 7.4.1 and the IANA registry: going away, service restart.
SERVER_CODES = frozenset({1001, 1012})


def allow_server_codes() -> None:
    """Extend the ``sendClose`` of daphne's protocol, where daphne is the server.

    autobahn, below it, takes only 1000 and 3000 to 4999 from an application, though a server may
    send these too. Clients come back sooner to one that restarts than to one that is gone.
    """
    module: Any = sys.modules.get("daphne.ws_protocol")
    if module is None:
        return
    protocol = module.WebSocketProtocol
    plain_send_close = protocol.sendClose

    def send_close(self: Any, code: int | None = None, reason: str | None = None) -> None:
        if code in SERVER_CODES:
            self.sendCloseFrame(code=code, isReply=False)
        else:
            plain_send_close(self, code, reason)

    protocol.sendClose = send_close
