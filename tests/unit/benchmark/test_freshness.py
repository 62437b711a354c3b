"""The comparison of ways to release frames, on one cell of each: over real UDP, no Chromium."""

import pytest

from deploy.benchmark import freshness


async def test_each_way_of_releasing_frames_shows_its_price(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(freshness, "FRAMERATES", (5,))
    monkeypatch.setattr(freshness, "NETWORKS", freshness.NETWORKS[:1])
    monkeypatch.setattr(freshness, "FRAMES", 8)
    monkeypatch.setattr(freshness, "MAX_SECONDS", 120.0)
    told: list[tuple[int, int]] = []
    rows = await freshness.compare_releases(
        lambda name, done, of: told.append((done, of)), chromium=False
    )
    stock, marker, _ = rows
    assert [row["release"] for row in rows] == ["stock", "marker", "gated"]
    assert [row["age_ms"]["count"] for row in rows] == [8, 8, 8]
    assert [row["damaged"] for row in rows] == [0, 0, 0]
    assert stock["age_ms"]["median"] - marker["age_ms"]["median"] > 100
    assert told == [(1, 3), (2, 3), (3, 3)]
