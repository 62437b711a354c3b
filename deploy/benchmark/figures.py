"""Figures from what clients and model noted. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Note = Mapping[str, Any]


def spread(values: Iterable[float]) -> dict[str, float | int]:
    """Return median, p95, extremes and count; only the count when there is nothing."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}
    return {
        "count": len(ordered),
        "median": round(_at(ordered, 0.5), 2),
        "p95": round(_at(ordered, 0.95), 2),
        "min": round(ordered[0], 2),
        "max": round(ordered[-1], 2),
    }


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the value below which that share lies (nearest rank above)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def question_figures(asked: Sequence[Note], seen: Sequence[Note]) -> dict[str, Any]:
    """Return what a run of questions shows; durations in milliseconds.

    Args:
        asked: the clients' notes, one a question.
        seen: the model's notes, one a request; both carry the question's mark.
    """
    requests = {note["mark"]: note for note in seen if "ended_at" in note}
    pairs = [
        (note, requests[note["mark"]])
        for note in asked
        if "ended_at" in note and note["mark"] in requests
    ]
    ages = [request["age_ms"] for _, request in pairs if request["age_ms"] is not None]
    values = {
        "question_to_request_ms": [_ms(q["sent_at"], r["arrived_at"]) for q, r in pairs],
        "frame_age_at_model_ms": ages,
        "claimed_minus_true_age_ms": [
            q["frame"]["age_ms"] - r["age_ms"] for q, r in pairs if r["age_ms"] is not None
        ],
        "platform_share_of_first_token_ms": [
            _ms(q["sent_at"], q["first_at"]) - _ms(r["arrived_at"], r["first_at"]) for q, r in pairs
        ],
        "platform_share_of_answer_ms": [
            _ms(q["sent_at"], q["ended_at"]) - _ms(r["arrived_at"], r["ended_at"]) for q, r in pairs
        ],
    }
    return {
        "asked": len(asked),
        "answered": len(pairs),
        "errors": dict(Counter(note["error"] for note in asked if "error" in note)),
        "unreadable_frames": len(pairs) - len(ages),
        **{name: spread(numbers) for name, numbers in values.items()},
        "values": {name: [round(n, 2) for n in numbers] for name, numbers in values.items()},
    }


def failover_figures(
    asked: Sequence[Note], other: Sequence[Note], *, hung_at: float, well_at: float
) -> dict[str, Any]:
    """Return what it cost that one of two model servers hung; times are in seconds.

    Args:
        asked: the clients' notes, one a question.
        other: the notes of the server that hung, of the requests that waited for it, too.
        hung_at, well_at: when it hung and when it went on, s since the epoch.
    """
    sent = {note["mark"]: note["sent_at"] for note in asked}
    met = [sent[note["mark"]] for note in other if note.get("mark") in sent]
    ended = [note for note in asked if "ended_at" in note]
    before = [note for note in ended if note["ended_at"] < hung_at]
    since = [note for note in ended if note["ended_at"] >= hung_at]
    return {
        "asked": len(asked),
        "answered": len(ended),
        "errors": dict(Counter(note["error"] for note in asked if "error" in note)),
        "last_asked_of_the_hung_server_after": _latest(met, since=hung_at, until=well_at),
        "asked_again_after": _earliest(met, since=well_at),
        "answer_before": spread(note["ended_at"] - note["sent_at"] for note in before),
        "answer_since": spread(note["ended_at"] - note["sent_at"] for note in since),
    }


def _latest(times: Iterable[float], *, since: float, until: float) -> float | None:
    within = [moment - since for moment in times if since <= moment < until]
    return round(max(within), 2) if within else None


def _earliest(times: Iterable[float], *, since: float) -> float | None:
    after = [moment - since for moment in times if moment >= since]
    return round(min(after), 2) if after else None


def _ms(start: float, end: float) -> float:
    return (end - start) * 1000
