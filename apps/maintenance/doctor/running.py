"""Runs checks so that none can hang, crash or delay the others."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from apps.maintenance.doctor.findings import Check, Finding, Result, failed

AfterCheck = Callable[[], None]


class _Running:
    """A check in a thread of its own; daemonic, so that one that hangs forever can be left."""

    def __init__(self, check: Check, *, timeout: float, after: AfterCheck) -> None:
        self._check = check
        self._timeout = timeout
        self._after = after
        self._finding: Finding | None = None
        self._began = time.monotonic()
        self._took = timeout
        self._thread = threading.Thread(target=self._run, name=check.name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            finding = self._check.run()
        except Exception as error:  # A crash is a result like any other.
            finding = failed(
                f"The check itself failed: {type(error).__name__}: {error}"[:300],
                mend="See whether another check explains it; if none does, report it as a bug.",
            )
        finally:
            self._after()
        self._took = time.monotonic() - self._began
        self._finding = finding

    def result(self) -> Result:
        """Wait until it has found something, but not beyond its time."""
        self._thread.join(max(0.0, self._began + self._timeout - time.monotonic()))
        finding = self._finding or failed(
            f"No result within {self._timeout:g} s.",
            mend="See why it hangs, or give it longer with --timeout.",
        )
        return Result(
            group=self._check.group,
            name=self._check.name,
            finding=finding,
            seconds=round(self._took, 3),
        )


def run_checks(
    checks: Sequence[Check], *, timeout: float, after: AfterCheck = lambda: None
) -> Iterator[Result]:
    """Yield a result for each check, in their order, as soon as it is known.

    The concurrent ones are started at once, all together; the others take turns, so that slow
    computing is not mistaken for hanging.

    Args:
        timeout: seconds that each check gets.
        after: runs at the end of each check, in its thread.
    """
    started = {
        number: _Running(check, timeout=timeout, after=after)
        for number, check in enumerate(checks)
        if check.concurrent
    }
    for number, check in enumerate(checks):
        running = started.get(number) or _Running(check, timeout=timeout, after=after)
        yield running.result()
