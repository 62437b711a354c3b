"""Checks can't hang, crash or delay each other; results keep their order."""

import threading
import time

from apps.maintenance.doctor.findings import Check, failed, ok
from apps.maintenance.doctor.running import run_checks


def check(name: str, run, *, concurrent: bool = False) -> Check:
    return Check(group="Test", name=name, run=run, concurrent=concurrent)


def test_results_come_in_the_order_of_the_checks():
    last_is_done = threading.Event()

    def first():
        assert last_is_done.wait(5)
        return ok("first")

    def last():
        last_is_done.set()
        return ok("last")

    checks = [
        check("a", first, concurrent=True),
        check("b", lambda: failed("x", mend="y")),
        check("c", last, concurrent=True),
    ]
    results = list(run_checks(checks, timeout=10))
    assert [result.name for result in results] == ["a", "b", "c"]
    assert [result.finding.status for result in results] == ["ok", "failed", "ok"]


def test_a_crash_is_a_failure_that_says_what_happened():
    def crash():
        raise KeyError("surprise")

    (result,) = run_checks([check("a", crash)], timeout=10)
    assert result.finding.status == "failed"
    assert "KeyError: 'surprise'" in result.finding.found


def test_one_that_hangs_is_left_behind():
    release = threading.Event()

    def hang():
        release.wait(60)
        return ok("too late")

    began = time.monotonic()
    checks = [check("a", hang, concurrent=True), check("b", hang), check("c", lambda: ok("fine"))]
    results = list(run_checks(checks, timeout=1.0))
    release.set()
    assert time.monotonic() - began < 30
    assert [result.finding.status for result in results] == ["failed", "failed", "ok"]
    assert "No result within 1 s." in results[0].finding.found
    assert results[0].seconds == 1.0


def test_checks_that_compute_take_turns():
    running: list[str] = []

    def alone():
        running.append("")
        seen = len(running)
        time.sleep(0.02)
        running.pop()
        return ok(str(seen))

    results = run_checks([check(str(n), alone) for n in range(5)], timeout=10)
    assert {result.finding.found for result in results} == {"1"}


def test_each_thread_tidies_up_after_itself():
    tidied: list[str] = []

    def crash():
        raise OSError

    checks = [check("a", lambda: ok("")), check("b", crash, concurrent=True)]
    list(run_checks(checks, timeout=10, after=lambda: tidied.append("x")))
    assert tidied == ["x", "x"]
