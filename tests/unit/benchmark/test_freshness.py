"""The comparison of ways to release frames, on one cell of each: over real UDP, no Chromium."""

import pytest

from deploy.benchmark import freshness


async def test_releasing_by_the_marker_saves_a_frames_interval(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(freshness, "FRAMERATES", (5,))
    monkeypatch.setattr(freshness, "NETWORKS", freshness.NETWORKS[:1])
    monkeypatch.setattr(freshness, "FRAMES", 8)
    told: list[tuple[int, int]] = []
    rows = await freshness.compare_releases(
        lambda name, done, of: told.append((done, of)), chromium=False
    )
    stock, marker = rows
    assert (stock["release"], marker["release"]) == ("stock", "marker")
    assert stock["age_ms"]["count"] == marker["age_ms"]["count"] == 8
    assert stock["damaged"] == marker["damaged"] == 0
    assert stock["age_ms"]["median"] - marker["age_ms"]["median"] > 100
    assert told == [(1, 2), (2, 2)]
