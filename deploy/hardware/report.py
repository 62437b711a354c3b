"""The findings as lines for a terminal, or as one JSON object for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from deploy.hardware.facts import Facts
from deploy.hardware.findings import Finding
from deploy.hardware.judge_model import ModelVerdict, ModelWish

_MARKS: Final = {"ok": "ok", "warning": "!!", "failed": "NO", "unknown": "??"}
_INDENT: Final = " " * 14


def lines(findings: Sequence[Finding], *, os_name: str) -> list[str]:
    """Return the report for a person."""
    text = [f"QwenCam hardware check on {os_name}"]
    for finding in findings:
        text.append(f"  {_MARKS[finding.status]}  {finding.group:<7} {finding.found}")
        if finding.mend:
            text.append(f"{_INDENT}→ {finding.mend}")
    return text


def as_json(
    findings: Sequence[Finding], *, facts: Facts, wish: ModelWish, verdict: ModelVerdict
) -> dict[str, Any]:
    """Return everything: facts, findings, and the verdict on the model.

    ``fits`` is about the model only, its memory and the disk that it is downloaded to; ``ready``
    says that nothing at all has to be mended first.
    """
    return {
        "device": facts.device,
        "fits": verdict.serves and verdict.has_room and not facts.broken,
        "ready": not any(finding.status == "failed" for finding in findings),
        "model": {
            "name": wish.described.name,
            "source": wish.described.source,
            "estimated": wish.described.estimated,
            "shape": asdict(verdict.shape),
            "dtype": verdict.dtype,
            "context": wish.context,
            "download": {"bytes": verdict.missing_bytes, "free": verdict.disk_bytes},
            "place": asdict(verdict.place) | {"downloaded": sorted(verdict.place.downloaded)},
            "fit": asdict(verdict.fit),
            "advice": list(verdict.advice),
        },
        "facts": asdict(facts),
        "findings": [asdict(finding) for finding in findings],
    }
