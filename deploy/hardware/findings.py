"""What a check says: a status, a line, and what to do. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "warning", "failed", "unknown"]
MIB: Final = 1024**2
GIB: Final = 1024**3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report. A warning and a failure, and only they, say what to do about it."""

    status: Status
    group: str
    found: str
    mend: str = ""

    def __post_init__(self) -> None:
        """Refuse to complain without advice, and to advise without complaint."""
        if (self.status in {"warning", "failed"}) != bool(self.mend):
            raise ValueError("Exactly a warning and a failure say what to do.")


def ok(group: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(status="ok", group=group, found=found)


def unknown(group: str, found: str) -> Finding:
    """Return that it can't be told."""
    return Finding(status="unknown", group=group, found=found)


def warning(group: str, found: str, *, mend: str) -> Finding:
    """Return that it works, but not as well as it could."""
    return Finding(status="warning", group=group, found=found, mend=mend)


def failed(group: str, found: str, *, mend: str) -> Finding:
    """Return that it can't work like this."""
    return Finding(status="failed", group=group, found=found, mend=mend)


def counted(count: int, noun: str) -> str:
    """Return ``1 GPU``, ``2 GPUs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
