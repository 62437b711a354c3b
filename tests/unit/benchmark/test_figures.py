"""What a run's notes come to."""

from deploy.benchmark.figures import failover_figures, question_figures, spread


def test_a_spread_of_nothing_is_a_count():
    assert spread([]) == {"count": 0}


def test_a_spread_has_median_p95_and_extremes():
    assert spread(range(1, 101)) == {"count": 100, "median": 51, "p95": 96, "min": 1, "max": 100}
    assert spread([7.123])["p95"] == 7.12


def asked(mark: str, **fields: object) -> dict:
    frame = {"age_ms": 50}
    times = {"sent_at": 10.0, "first_at": 10.25, "ended_at": 10.6}
    return {"mark": mark, **times, "frame": frame, **fields}


def seen(mark: str, **fields: object) -> dict:
    times = {"arrived_at": 10.02, "first_at": 10.22, "ended_at": 10.54}
    return {"mark": mark, "age_ms": 45, **times, **fields}


def test_the_platforms_share_is_what_the_model_did_not_take():
    figures = question_figures([asked("a")], [seen("a")])
    assert figures["question_to_request_ms"]["median"] == 20
    assert figures["frame_age_at_model_ms"]["median"] == 45
    assert figures["claimed_minus_true_age_ms"]["median"] == 5
    assert figures["platform_share_of_first_token_ms"]["median"] == 50
    assert figures["platform_share_of_answer_ms"]["median"] == 80


def test_errors_unread_frames_and_other_peoples_requests_are_told_apart():
    figures = question_figures(
        [asked("a"), {"mark": "b", "sent_at": 11.0, "error": "busy"}, asked("c")],
        [seen("a", age_ms=None), seen("c"), seen("x"), {"mark": "b", "gone": True}],
    )
    assert (figures["asked"], figures["answered"]) == (3, 2)
    assert figures["errors"] == {"busy": 1}
    assert figures["unreadable_frames"] == 1
    assert figures["frame_age_at_model_ms"]["count"] == 1
    assert figures["question_to_request_ms"]["count"] == 2


def test_a_hang_is_told_by_who_met_the_hung_server():
    times = {"before": 10.0, "early": 21.0, "late": 21.5, "elsewhere": 25.0, "after": 33.0}
    notes = [{"mark": mark, "sent_at": at, "ended_at": at + 1} for mark, at in times.items()]
    notes.append({"mark": "lost", "sent_at": 22.0, "error": "model_unavailable"})
    other: list[dict] = [
        {"mark": mark} for mark in ("before", "early", "late", "after", "a stranger's")
    ]
    other.append({"base_url": "http://127.0.0.1:8100/v1"})
    figures = failover_figures(notes, other, hung_at=20.0, well_at=30.0)
    assert (figures["asked"], figures["answered"]) == (6, 5)
    assert figures["errors"] == {"model_unavailable": 1}
    assert figures["last_asked_of_the_hung_server_after"] == 1.5
    assert figures["asked_again_after"] == 3.0
    assert figures["answer_before"]["count"] == 1
    nobody = failover_figures(notes[:1], [], hung_at=20.0, well_at=30.0)
    assert nobody["last_asked_of_the_hung_server_after"] is None
    assert nobody["asked_again_after"] is None
