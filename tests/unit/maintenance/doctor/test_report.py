"""What the doctor prints: aligned for people, whole for programs."""

from apps.maintenance.doctor.findings import Check, Finding, Result, failed, ok, skipped, warning
from apps.maintenance.doctor.report import as_json, summary, text_lines, worst


def result(name: str, finding: Finding, *, group: str = "Host") -> Result:
    return Result(group=group, name=name, finding=finding, seconds=0.25)


RESULTS = [
    result("Python", ok("3.11.7")),
    result("disk", warning("little", mend="Make room.")),
    result("Redis", failed("away", mend="Start it."), group="Redis"),
    result("GPU", skipped("none"), group="Redis"),
]
CHECKS = [
    Check(group=one.group, name=one.name, run=lambda: one.finding)  # noqa: B023
    for one in RESULTS
]
PLAIN = dict.fromkeys(("ok", "warning", "failed", "skipped", "group"), str)


def test_lines_are_aligned_under_their_groups():
    lines = list(text_lines(RESULTS, checks=CHECKS, paint=PLAIN))
    assert lines == [
        "Host",
        "  ok       Python  3.11.7",
        "  warning  disk    little",
        "                   > Make room.",
        "Redis",
        "  FAILED   Redis   away",
        "                   > Start it.",
        "  skipped  GPU     none",
    ]


def test_paint_colours_marks_and_groups_only():
    paint = PLAIN | {"failed": lambda text: f"<{text}>", "group": str.upper}
    lines = list(text_lines(RESULTS[2:3], checks=CHECKS, paint=paint))
    assert lines[:2] == ["REDIS", "  <FAILED >  Redis   away"]


def test_lines_come_as_results_do():
    def results():
        yield RESULTS[0]
        raise AssertionError("asked too early")

    lines = text_lines(results(), checks=CHECKS, paint=PLAIN)
    assert [next(lines), next(lines)] == ["Host", "  ok       Python  3.11.7"]


def test_the_summary_names_what_failed():
    assert summary(RESULTS) == "1 ok, 1 skipped, 1 warning, 1 failed: Redis"
    assert summary(RESULTS[:1]) == "1 ok"


def test_the_worst_counts():
    assert worst(RESULTS) == "failed"
    assert worst(RESULTS[:2]) == "warning"
    assert worst([RESULTS[0], RESULTS[3]]) == "ok"


def test_json_has_all_of_it():
    body = as_json(RESULTS)
    assert body["status"] == "failed"
    assert body["checks"][2] == {
        "group": "Redis",
        "name": "Redis",
        "status": "failed",
        "found": "away",
        "mend": "Start it.",
        "seconds": 0.25,
    }
