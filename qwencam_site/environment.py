"""Typed readers for settings: each fails with one sentence that names the setting.

A secret may also come from a file named by ``<NAME>_FILE``, as container platforms mount them.
"""

import json
import os
import warnings
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env


def read_file(dotenv: Path) -> None:
    """Take the settings of a file, if there is one; what the environment says already wins.

    Raises:
        ImproperlyConfigured: it is no text.
    """
    try:
        Env.read_env(dotenv)
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"{dotenv} is not UTF-8: save it as UTF-8 text.") from error


def text(name: str, default: str) -> str:
    """Return the setting as given, or ``default`` when unset or empty."""
    return os.environ.get(name) or default


def secret(name: str) -> str:
    """Return the setting or the content of the file that ``<name>_FILE`` names; empty if neither.

    Raises:
        ImproperlyConfigured: the file can't be read.
    """
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return os.environ.get(name, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: {error.strerror}.") from error


def database(name: str, default: str) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL or SQLite database that a URL names.

    The URL may have a password, so it may come from a file.
    """
    given = secret(name) or default
    try:
        with warnings.catch_warnings(action="error"):  # That is how it says "unknown database".
            config: dict[str, Any] = Env.db_url_config(given)
    except Exception:  # What the parser raises is not documented, and its text has the password.
        config = {}
    if not str(config.get("ENGINE", "")).endswith((".postgresql", ".sqlite3")):
        raise ImproperlyConfigured(
            f"{name} must look like postgres://user:password@host:5432/name or sqlite:////path."
        ) from None
    return config


def log_file(name: str) -> str:
    """Return the path of a file that can be appended to, or empty when unset.

    Raises:
        ImproperlyConfigured: it can't be opened; logging itself would say so in a traceback.
    """
    file = text(name, "")
    if not file:
        return ""
    try:
        with Path(file).open("a", encoding="utf-8"):
            return file
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} can't be written ({file}): {error.strerror}."
        ) from error


def signing_key(name: str, *, purpose: str) -> str:
    """Return a secret of at least 32 characters.

    Raises:
        ImproperlyConfigured: it is missing or shorter (RFC 7518 section 3.2 wants 256 bits).
    """
    value = secret(name)
    if len(value) < 32:
        state = "is too short" if value else "is not set"
        raise ImproperlyConfigured(
            f"{name} {state}: {purpose} needs a random text of at least 32 characters."
        )
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return a yes/no setting: ``true`` or ``false``, nothing else."""
    value = text(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value == "true"


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number within ``low`` to ``high``."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {low} to {high}, not {value!r}."
        )
    return number


def number(name: str, default: float, *, low: float, high: float) -> float:
    """Return a number within ``low`` to ``high``."""
    value = text(name, str(default))
    try:
        result = float(value)
    except ValueError:
        result = float("nan")
    if not low <= result <= high:
        raise ImproperlyConfigured(f"{name} must be a number from {low} to {high}, not {value!r}.")
    return result


def choice(name: str, default: str, *, of: tuple[str, ...]) -> str:
    """Return one of the words in ``of``."""
    value = text(name, default)
    if value not in of:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(of)}, not {value!r}.")
    return value


def comma_separated(name: str, default: str) -> list[str]:
    """Return a comma-separated list, blanks stripped, empty items dropped."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """Return a comma-separated list of IP addresses and networks."""
    found = []
    for item in comma_separated(name, default):
        try:
            found.append(ip_network(item, strict=False))
        except ValueError:
            wanted = "IP addresses and networks such as 127.0.0.1,10.0.0.0/8"
            raise ImproperlyConfigured(f"{name} must be {wanted}, not {item!r}.") from None
    return found


def urls(name: str, default: str, *, schemes: tuple[str, ...]) -> list[str]:
    """Return a comma-separated list of at least one URL with one of ``schemes``."""
    found = [_checked_url(name, item, schemes=schemes) for item in comma_separated(name, default)]
    if not found:
        raise ImproperlyConfigured(f"{name} must name at least one URL.")
    return found


def url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return one URL with one of ``schemes``."""
    return _checked_url(name, text(name, default), schemes=schemes)


def secret_url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return one URL with one of ``schemes``; it may come from a file, for its password."""
    return _checked_url(name, secret(name) or default, schemes=schemes)


def _checked_url(name: str, value: str, *, schemes: tuple[str, ...]) -> str:
    scheme, _, rest = value.partition("://")
    if scheme not in schemes or not rest:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} must begin with {wanted}.")
    return value


def ice_servers(name: str) -> list[dict[str, Any]]:
    """Return a JSON list of WebRTC ``RTCIceServer`` objects (``urls``, ``username``, …)."""
    value = text(name, "[]")
    try:
        servers = json.loads(value)
    except ValueError:
        servers = None
    if not isinstance(servers, list) or not all(
        isinstance(server, dict) and isinstance(server.get("urls"), str | list)
        for server in servers
    ):
        raise ImproperlyConfigured(
            f'{name} must be a JSON list such as [{{"urls": "stun:stun.example.org:3478"}}].'
        )
    return servers


def port_range(name: str) -> tuple[int, int] | None:
    """Return ``low-high`` as two UDP ports, or ``None`` when unset."""
    value = text(name, "")
    if not value:
        return None
    low, _, high = value.partition("-")
    if not (low.isdigit() and high.isdigit() and 1024 <= int(low) <= int(high) <= 65535):
        raise ImproperlyConfigured(f"{name} must be two ports such as 40000-40100, not {value!r}.")
    return int(low), int(high)
