"""``python -m deploy.docker.health [web|worker|beat]``: the container's health check.

Ends with 0 if the server in this container is well, else with one sentence and 1. Without an
argument it looks what process 1 is. It needs neither curl nor the platform's modules, since it is
run again and again.
"""

import http.client
import os
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.docker.roles import ROLES

ANSWER_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 30.0
"""It gives one every second, if a slow disk or Redis lets it."""
SCHEDULE_SECONDS: Final = 420.0
"""celery writes its schedule every three minutes and at each entry that is new."""
_WORDS: Final = {"web": b"daphne", "worker": b"worker", "beat": b"beat"}


class Unwell(Exception):
    """The server is not well; the message is a sentence."""


def role_of(command_line: bytes) -> str:
    """Return what the arguments (ending in zero bytes, as in ``/proc``) say that a process is.

    Raises:
        Unwell: nothing that has a health.
    """
    words = command_line.split(b"\0")
    for role in ROLES:
        if _WORDS[role] in words:
            return role
    raise Unwell(f"Process 1 is none of {', '.join(ROLES)}.")


def check_web(environment: Mapping[str, str]) -> None:
    """Ask ``/health``.

    Raises:
        Unwell: it does not answer, or says that database or Redis are away.
    """
    host, port = environment.get("HOST") or "127.0.0.1", int(environment.get("PORT") or 8000)
    tls = bool(environment.get("SSL_CERT_PATH"))
    _ask(_reachable(host), port, "/health", tls=tls, headers={"Host": _allowed_host(environment)})


def check_worker(environment: Mapping[str, str]) -> None:
    """Look when the worker's event loop last gave a sign.

    Raises:
        Unwell: never, or too long ago.
    """
    _written(Path(environment["HEARTBEAT_FILE"]), within=HEARTBEAT_SECONDS, what="The worker")


def check_beat(environment: Mapping[str, str]) -> None:
    """Look when the scheduler last wrote its schedule.

    Raises:
        Unwell: never, or too long ago.
    """
    _written(Path(environment["BEAT_SCHEDULE"]), within=SCHEDULE_SECONDS, what="The scheduler")


def _written(file: Path, *, within: float, what: str) -> None:
    # A database's library may add to the name, and write several files.
    times = [path.stat().st_mtime for path in file.parent.glob(f"{file.name}*")]
    if not times:
        raise Unwell(f"{what} has not given a sign of life yet.")
    age = time.time() - max(times)
    if age > within:
        raise Unwell(f"{what} has given no sign of life for {age:.0f} s.")


_CHECKS: Final[dict[str, Callable[[Mapping[str, str]], None]]] = {
    "web": check_web,
    "worker": check_worker,
    "beat": check_beat,
}


def _reachable(host: str) -> str:
    """Return the address to ask, where the setting may be "all addresses"."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _allowed_host(environment: Mapping[str, str]) -> str:
    """Return a name that the platform answers to."""
    first = environment.get("ALLOWED_HOSTS", "").split(",")[0].strip()
    return first.removeprefix(".").replace("*", "localhost") or "localhost"


def _ask(
    host: str, port: int, path: str, *, tls: bool = False, headers: Mapping[str, str] | None = None
) -> None:
    connection = _connection(host, port, tls=tls)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"{path} does not answer: {type(error).__name__}.") from error
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        raise Unwell(f"{path} answers {status}.")


def _connection(host: str, port: int, *, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    # It is this container, whatever name its certificate is for.
    anyone = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=anyone)


def main(arguments: Sequence[str]) -> None:
    """Check the server that the argument names, else the one that process 1 is.

    Raises:
        SystemExit: it is not well.
    """
    try:
        role = arguments[0] if arguments else role_of(Path("/proc/1/cmdline").read_bytes())
        if role not in _CHECKS:
            raise Unwell(f"Say which server: {', '.join(ROLES)}, not '{role}'.")
        _CHECKS[role](os.environ)
    except Unwell as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main(sys.argv[1:])
