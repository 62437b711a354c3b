"""The types of a check and of its result. Pure: knows no Django and does no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found, and, unless all is well, one sentence on how to mend it."""

    status: Status
    found: str
    mend: str = ""

    def __post_init__(self) -> None:
        """Refuse to complain without advice, and to advise without complaint."""
        if (self.status in {"warning", "failed"}) != bool(self.mend):
            raise ValueError("Exactly a warning and a failure say how to mend it.")


def ok(found: str) -> Finding:
    """Return that all is well."""
    return Finding(status="ok", found=_one_line(found))


def skipped(found: str) -> Finding:
    """Return that there is nothing to check here, and why."""
    return Finding(status="skipped", found=_one_line(found))


def warning(found: str, *, mend: str) -> Finding:
    """Return that it works, but not as well or as safely as it could."""
    return Finding(status="warning", found=_one_line(found), mend=mend)


def failed(found: str, *, mend: str) -> Finding:
    """Return that the platform, or a part of it, can't work like this."""
    return Finding(status="failed", found=_one_line(found), mend=mend)


def _one_line(text: str) -> str:
    """An error's text without its line breaks: each finding is one line of the report."""
    return " ".join(text.split())


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        run: does it; whatever it raises is a failure.
        concurrent: it may run beside others, since it waits for answers rather than computing.
    """

    group: str
    name: str
    run: Callable[[], Finding]
    concurrent: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one check found, and how long that took."""

    group: str
    name: str
    finding: Finding
    seconds: float
