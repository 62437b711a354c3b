"""``python -m deploy.docker.entry web|worker|beat|manage …``: what the container is to be.

The server replaces this process, so that it is process 1 and gets the signals itself.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

from deploy.docker.roles import ROLES

_CELERY: Final = (sys.executable, "-m", "celery", "-A", "qwencam_site")
_TERMINATED: Final = 128 + signal.SIGTERM


def main(arguments: Sequence[str]) -> None:
    """Become what the first argument names; the others are passed on.

    Raises:
        SystemExit: it names nothing, with one sentence; or ``manage`` has ended.
    """
    role = arguments[0] if arguments else ""
    if role == "manage":
        manage(arguments[1:])
    elif role in ROLES:
        become([*server(role), *arguments[1:]])
    else:
        sys.exit(f"Say what to run: {', '.join(ROLES)} or manage COMMAND, not '{role}'.")


def server(role: str) -> list[str]:
    """Return the command of a server; the image says where the scheduler keeps its schedule."""
    if role == "web":
        return ["scripts/start_web_server.sh"]
    if role == "beat":
        return [*_CELERY, "beat", "--schedule", os.environ["BEAT_SCHEDULE"], "--pidfile="]
    answering = ["-Q", "inference", "-P", "threads", "-c", "32"]
    return [*_CELERY, "worker", *answering, "--without-gossip", "--without-mingle"]


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process."""
    os.execv(command[0], list(command))  # noqa: S606 -- no shell wanted


def manage(arguments: Sequence[str]) -> None:
    """Run a command of ``manage.py``, which ends at SIGTERM.

    The kernel keeps from process 1 every signal that it has no handler for.
    """
    signal.signal(signal.SIGTERM, _end)
    from manage import main as run_command

    sys.argv = ["manage.py", *arguments]
    run_command()


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    main(sys.argv[1:])
