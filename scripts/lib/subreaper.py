"""``subreaper.py COMMAND...``: runs it, and when it ends, ends the processes it left behind.

vLLM's engine process outlives an API server that was killed outright, and would keep its memory
beside the restarted one. The supervisor starts this script as the leader of a process group.
Orphans of the command become its children (it is their subreaper, prctl(2)), so it knows when all
are gone.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 2.0


def children_remain() -> bool:
    """Collect ended children; say whether any still runs."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def end_the_rest() -> None:
    """Ask the whole group to end, and kill it, this process included, if it does not in time."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while children_remain():
        if time.monotonic() > deadline:
            os.killpg(0, signal.SIGKILL)
        time.sleep(0.1)


def main() -> int:
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *sys.argv[1:]])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: command.send_signal(number))
    status = command.wait()
    end_the_rest()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
