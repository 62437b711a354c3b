"""What the doctor prints. Pure: results in, text out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from apps.maintenance.doctor.findings import Check, Result, Status

Paint = Callable[[str], str]
MARKS: Final[Mapping[Status, str]] = {
    "ok": "ok",
    "warning": "warning",
    "failed": "FAILED",
    "skipped": "skipped",
}
_MARK_WIDTH: Final = max(map(len, MARKS.values()))
_WIDEST_NAME: Final = 40


def text_lines(
    results: Iterable[Result], *, checks: Sequence[Check], paint: Mapping[Status | str, Paint]
) -> Iterable[str]:
    """Yield a line or two for each result, as it comes, under its group's name.

    Args:
        checks: all that results will come of, for the width of the columns.
        paint: what colours a mark by its status, and a group's name by `group`.
    """
    width = min(_WIDEST_NAME, max(len(check.name) for check in checks))
    group = None
    for result in results:
        if result.group != group:
            group = result.group
            yield paint["group"](group)
        mark = paint[result.finding.status](MARKS[result.finding.status].ljust(_MARK_WIDTH))
        yield f"  {mark}  {result.name.ljust(width)}  {result.finding.found}"
        if result.finding.mend:
            yield f"  {' ' * (_MARK_WIDTH + width + 2)}  > {result.finding.mend}"


def summary(results: Sequence[Result]) -> str:
    """Return one line: how many were well, and which failed."""
    counts = Counter(result.finding.status for result in results)
    parts = [f"{counts['ok']} ok"]
    if counts["skipped"]:
        parts.append(f"{counts['skipped']} skipped")
    if counts["warning"]:
        parts.append(f"{counts['warning']} warning{'s' if counts['warning'] > 1 else ''}")
    if counts["failed"]:
        names = [result.name for result in results if result.finding.status == "failed"]
        parts.append(f"{counts['failed']} failed: {', '.join(names)}")
    return ", ".join(parts)


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Return the same for programs; `seconds` is how long a check took."""
    return {
        "status": worst(results),
        "checks": [
            {
                "group": result.group,
                "name": result.name,
                "status": result.finding.status,
                "found": result.finding.found,
                "mend": result.finding.mend,
                "seconds": result.seconds,
            }
            for result in results
        ],
    }


def worst(results: Iterable[Result]) -> Status:
    """Return `failed`, `warning` or `ok`: the worst of them."""
    statuses = {result.finding.status for result in results}
    for status in ("failed", "warning"):
        if status in statuses:
            return status
    return "ok"
