"""How far a long transfer is, on a terminal and in a log."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from deploy.models.amounts import amount

TERMINAL_SECONDS = 1.0
LOG_SECONDS = 15.0


def duration(seconds: float) -> str:
    """Return a time span in its largest sensible unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def progress_line(done: int, *, total: int, rate: float) -> str:
    """Return one line for ``done`` of ``total`` bytes at ``rate`` bytes a second."""
    if done >= total:
        return f"{amount(total)} have arrived, checking …"
    line = f"{amount(done)} of {amount(total)} ({100 * done / total:.0f} %), {amount(rate)}/s"
    return f"{line}, {duration((total - done) / rate)} left" if rate > 0 else line


class Progress:
    """Prints a line now and then while it is entered; ``measure`` returns the bytes so far."""

    def __init__(self, measure: Callable[[], int], *, total: int) -> None:
        self._measure = measure
        self._total = total
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()

    def _show(self) -> None:
        terminal = sys.stdout.isatty()
        pause = TERMINAL_SECONDS if terminal else LOG_SECONDS
        began, at_first = time.monotonic(), self._measure()
        while not self._over.wait(pause):
            done = self._measure()
            rate = (done - at_first) / (time.monotonic() - began)
            line = progress_line(done, total=self._total, rate=rate)
            sys.stdout.write(f"\r\033[K{line}" if terminal else f"{line}\n")
            sys.stdout.flush()
