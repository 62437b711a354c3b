"""Who may read a metrics page."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

DETAIL: Final = "This address may not read the metrics: see METRICS_ALLOW."


def is_allowed(address: str, *, allow: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether ``address`` lies in one of the networks of ``allow``."""
    try:
        client = ip_address(address)
    except ValueError:
        return False
    return any(client in network for network in allow)
