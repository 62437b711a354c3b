"""Does this machine's clock agree with others'? Tokens and credentials expire by it. Pure."""

from email.utils import parsedate_to_datetime
from typing import Final

from apps.maintenance.doctor.findings import Finding, ok, warning

MOST_SKEW_SECONDS: Final = 2.0  # HTTP tells whole seconds only; NTP keeps far within.


def skew(*, before: float, after: float, earliest: float, latest: float) -> float:
    """Return by how many seconds our clock is ahead, at least; 0 where both may agree.

    Args:
        before, after: our time when the other was asked and when it had answered.
        earliest, latest: what the other's clock may have shown when it answered.
    """
    if before > latest:
        return before - latest
    if after < earliest:
        return after - earliest
    return 0.0


def judge_clock(ahead: float, *, of: str) -> Finding:
    """Is a clock that is `ahead` (seconds, negative: behind) near enough to that `of` another?"""
    if abs(ahead) <= MOST_SKEW_SECONDS:
        return ok(f"agrees with {of}")
    return warning(
        f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} {of}",
        mend="Keep all clocks by NTP (systemd-timesyncd or chrony): tokens expire by them.",
    )


def http_date_range(header: str) -> tuple[float, float]:
    """Return the second that an HTTP `Date` names, as (begin, end) since the epoch.

    Raises:
        ValueError: it is no date.
    """
    moment = parsedate_to_datetime(header)
    return moment.timestamp(), moment.timestamp() + 1
